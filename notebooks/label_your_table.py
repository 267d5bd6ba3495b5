# Databricks notebook source
# MAGIC %md
# MAGIC # Label a table with functions instead of by hand
# MAGIC
# MAGIC People write many noisy *labeling functions* (LFs). sparkws runs them over a Delta table, estimates from
# MAGIC counts alone how far to trust each one, and publishes probabilistic labels as a Delta table.
# MAGIC
# MAGIC The notebook runs on Databricks and, as it stands, under plain Python: `python notebooks/label_your_table.py`.

# COMMAND ----------

# MAGIC %pip install sparkws

# COMMAND ----------

# DBTITLE 1,Where the tables go
import sparkws
from sparkws import ABSTAIN, LFSet, labeling_function

try:
    dbutils.widgets.text("workspace", "main.sparkws_demo", "catalog.schema or folder")  # a Databricks notebook
    workspace = dbutils.widgets.get("workspace")
except NameError:
    workspace = globals().get("workspace", "./.sparkws/notebook")  # plain Python

# COMMAND ----------

# DBTITLE 1,The session: the running one, or a local one
spark = sparkws.open_session()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Write functions and look at them on a few rows
# MAGIC A function sees a row and votes for a class, or abstains. Try it on a table in memory first.

# COMMAND ----------


# DBTITLE 1,Three functions
@labeling_function
def lf_link(x):
    return "spam" if "http" in x.text else ABSTAIN


@labeling_function
def lf_subscribe(x):
    return "spam" if "subscribe" in x.text.lower() else ABSTAIN


@labeling_function
def lf_short(x):
    return "ham" if len(x.text) < 30 else ABSTAIN


functions = LFSet([lf_link, lf_subscribe, lf_short])

# COMMAND ----------

# DBTITLE 1,Comments to label
rows = [
    ("c1", "check my channel http://a.example"),
    ("c2", "lovely song"),
    ("c3", "please SUBSCRIBE to me"),
    ("c4", "subscribe and see http://b.example for a gift"),
    ("c5", "best day of my life, still listening in 2026 with my whole family"),
]
items = spark.createDataFrame(rows, "item_id string, text string")
few = functions.apply(items.toArrow(), classes=["ham", "spam"], key="item_id")
print(few)

# COMMAND ----------

# MAGIC %md
# MAGIC The same functions are one Spark UDF, for a query of your own.

# COMMAND ----------

# DBTITLE 1,Votes in a query
spark.udf.register("votes", functions.as_udf(classes=["ham", "spam"]))
items.createOrReplaceTempView("comments")
spark.sql("SELECT item_id, v.* FROM (SELECT item_id, votes(struct(*)) AS v FROM comments)").show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Run the whole job over a Delta table
# MAGIC A project is a configuration; here it is written in place, elsewhere it is a YAML file.

# COMMAND ----------

# DBTITLE 1,A project
is_folder = "/" in workspace
table = f"{workspace}/items" if is_folder else f"{workspace}.items"
writer = items.write.format("delta").mode("overwrite")
if is_folder:
    writer.save(table)
else:
    writer.saveAsTable(table)

config = sparkws.parse_config(
    {
        "project": "comments",
        "workspace": workspace,
        "source": {"table": table},
        "tasks": {
            "spam": {
                "classes": ["ham", "spam"],
                "lfs": {
                    "declarative": [
                        {"name": "lf_gift", "keyword": {"column": "text", "any": ["gift", "win"], "label": "spam"}},
                        {"name": "lf_song", "keyword": {"column": "text", "any": ["song", "music"], "label": "ham"}},
                    ]
                },
                "label_model": {"kind": "majority"},
            }
        },
    },
    "this notebook",
)
result = sparkws.run(spark, config, functions={"spam": functions})
print(sparkws.describe_run(result))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Read the labels
# MAGIC They are a plain Delta table: any reader will do, with or without sparkws.

# COMMAND ----------

# DBTITLE 1,Labels
reader = spark.read.format("delta")
labels = reader.load(f"{workspace}/spam_labels") if is_folder else reader.table(f"{workspace}.spam_labels")
labels.select("item_id", "pred", "confidence", "n_votes", "label_status").orderBy("item_id").show()
