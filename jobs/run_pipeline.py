"""spark-submit entry point of the main job: spark-submit jobs/run_pipeline.py --config project.yaml"""

import sys

from sparkws.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]], submitted=True))
