#!/usr/bin/env python3
"""Makes the signature of a recorded request to S3 again, with botocore, and compares.

    sigv4.py REQUEST_FILE SECRET

REQUEST_FILE is JSON: method, url, headers (a list of pairs, names in lower case), region, access_key. The headers that
the request says are signed are signed, at the time that it names. Prints `same`, or both signatures. Every `x-amz-`
header must be among the signed ones, as S3 demands.
"""

import json
import re
import sys

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

with open(sys.argv[1], encoding="utf-8") as file:
    recorded = json.load(file)
headers = dict(recorded["headers"])
authorization = headers["authorization"]
signed = re.search(r"SignedHeaders=([^,]+)", authorization).group(1).split(";")
unsigned = [name for name in headers if name.startswith("x-amz-") and name not in signed]
if unsigned:
    sys.exit(f"not signed: {unsigned}")

# S3 reads a plus sign in a query as a space before it checks the signature; botocore takes a query as it stands
path, _, query = recorded["url"].partition("?")
url = f"{path}?{query.replace('+', '%20')}" if query else path
request = AWSRequest(method=recorded["method"], url=url)
for name in signed:
    if name != "host":
        request.headers[name] = headers[name]
request.context["timestamp"] = headers["x-amz-date"]
auth = S3SigV4Auth(Credentials(recorded["access_key"], sys.argv[2]), "s3", recorded["region"])
auth.payload = lambda _: headers["x-amz-content-sha256"]
auth.headers_to_sign = lambda _: auth_headers(headers, signed)


def auth_headers(all_headers, names):
    from botocore.compat import HTTPHeaders

    chosen = HTTPHeaders()
    for name in names:
        chosen[name] = all_headers[name]
    return chosen


signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
theirs = re.search(r"Signature=([0-9a-f]+)", authorization).group(1)
print("same" if signature == theirs else f"botocore {signature}, recorded {theirs}")
