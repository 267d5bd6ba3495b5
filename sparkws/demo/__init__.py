"""The demo: sentiment of short texts, programmed instead of labeled; read `project.yaml`, then `lfs.py`."""
