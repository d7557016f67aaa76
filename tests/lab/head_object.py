"""What an S3 server says about an object, as JSON.

python tests/lab/head_object.py ENDPOINT BUCKET KEY

Login `lab`, `lab-secret`. Prints how it is encrypted.
"""

import json
import sys

import boto3

endpoint, bucket, key = sys.argv[1:]
s3 = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="lab",
    aws_secret_access_key="lab-secret",
)
said = s3.head_object(Bucket=bucket, Key=key)
print(json.dumps({name: said.get(name) for name in ("ServerSideEncryption", "SSEKMSKeyId")}))
