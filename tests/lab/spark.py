"""One Spark on this machine, for the programs beside it: quiet, on loopback, in UTC."""


def start_spark():
    from pyspark.sql import SparkSession

    zone = "-Duser.timezone=UTC"
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.extraJavaOptions", zone).config("spark.sql.session.timeZone", "UTC")
    builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    builder = builder.config("spark.log.level", "ERROR").config("spark.driver.memory", "1g")
    return builder.getOrCreate()
