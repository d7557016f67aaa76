#!/usr/bin/env python3
"""Google Cloud Storage's XML interface in front of fake-gcs-server, which speaks the JSON interface only.

    gcs_xml.py LISTEN_PORT FAKE_GCS_PORT

The Rust crate object_store writes, reads, deletes and lists by the XML interface. Each of its requests becomes one of
the JSON interface; nothing is decided here but who may: the condition of a create (`x-goog-if-generation-match: 0`)
becomes `ifGenerationMatch=0`, which fake-gcs-server honours atomically.

Tokens: `lab` may do everything, `reader` may not write, any other is unknown. Followed:
https://cloud.google.com/storage/docs/xml-api/reference-headers and .../reference-status. Absent: multipart, copies,
ranges, versions.
"""

import email.utils
import http.client
import json
import sys
import threading
import uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE_KEYS_MAX = 1000
JSON_PORT = int(sys.argv[2])
LOCAL = threading.local()


def ask(method, target, body=None, headers=None):
    """One request to fake-gcs-server; its status and body. Each thread keeps a connection."""
    for attempt in range(2):
        connection = getattr(LOCAL, "connection", None)
        if connection is None:
            connection = LOCAL.connection = http.client.HTTPConnection("127.0.0.1", JSON_PORT, timeout=60)
        try:
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (http.client.RemoteDisconnected, ConnectionError):
            # an idle connection was closed; a PUT that fails for another reason must not be made twice
            LOCAL.connection = None
            if attempt or method == "POST":
                raise


def segment(text):
    return quote(text, safe="")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    # --- answers

    def answer(self, status, body=b"", headers=None):
        self.send_response(status)
        headers = {"Content-Length": str(len(body)), **(headers or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def fail(self, status, code, message):
        document = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        self.answer(status, document.encode(), {"Content-Type": "application/xml; charset=UTF-8"})

    def missing(self, bucket):
        status, _ = ask("GET", f"/storage/v1/b/{segment(bucket)}")
        if status == 404:
            return self.fail(404, "NoSuchBucket", "The specified bucket does not exist.")
        return self.fail(404, "NoSuchKey", "The specified key does not exist.")

    # --- requests

    def is_allowed(self, writes):
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in ("lab", "reader"):
            self.fail(401, "AuthenticationRequired", "Authentication required.")
        elif writes and token != "lab":
            self.fail(403, "AccessDenied", "Access denied.")
        else:
            return True
        return False

    def place(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        bucket, _, key = url.path.lstrip("/").partition("/")
        return unquote(bucket), unquote(key), query

    def do_PUT(self):
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        bucket, key, _ = self.place()
        if not self.is_allowed(writes=True):
            return
        prefix = "x-goog-meta-"
        resource = {
            "name": key,
            "contentType": self.headers.get("Content-Type") or "application/octet-stream",
            "metadata": {n.lower()[len(prefix):]: v for n, v in self.headers.items() if n.lower().startswith(prefix)},
        }
        if self.headers.get("x-goog-storage-class"):
            resource["storageClass"] = self.headers["x-goog-storage-class"]
        target = f"/upload/storage/v1/b/{segment(bucket)}/o?uploadType=multipart&name={segment(key)}"
        condition = self.headers.get("x-goog-if-generation-match")
        if condition is not None:
            target += f"&ifGenerationMatch={condition}"
        line = uuid.uuid4().hex
        head = (
            f"--{line}\r\nContent-Type: application/json\r\n\r\n{json.dumps(resource)}\r\n"
            f"--{line}\r\nContent-Type: {resource['contentType']}\r\n\r\n"
        )
        body = b"".join([head.encode(), content, f"\r\n--{line}--\r\n".encode()])
        status, said = ask("POST", target, body, {"Content-Type": f"multipart/related; boundary={line}"})
        if status == 200:
            stored = json.loads(said)
            headers = {"ETag": f'"{stored["etag"]}"', "x-goog-generation": stored["generation"]}
            return self.answer(200, headers=headers)
        if status == 412:
            return self.fail(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")
        if status == 404:
            return self.missing(bucket)
        return self.fail(status, "InternalError", escape(said.decode(errors="replace")))

    def do_GET(self):
        bucket, key, query = self.place()
        if not self.is_allowed(writes=False):
            return
        if not key:
            return self.list(bucket, query)
        target = f"/storage/v1/b/{segment(bucket)}/o/{segment(key)}"
        status, said = ask("GET", target)
        if status != 200:
            return self.missing(bucket)
        stored = json.loads(said)
        changed = datetime.fromisoformat(stored["updated"].replace("Z", "+00:00")).astimezone(timezone.utc)
        headers = {
            "ETag": f'"{stored["etag"]}"',
            "x-goog-generation": stored["generation"],
            "x-goog-storage-class": stored.get("storageClass") or "STANDARD",
            "Last-Modified": email.utils.format_datetime(changed, usegmt=True),
            "Content-Type": stored.get("contentType") or "application/octet-stream",
        }
        headers |= {f"x-goog-meta-{name}": value for name, value in (stored.get("metadata") or {}).items()}
        if self.command == "HEAD":
            return self.answer(200, headers={**headers, "Content-Length": stored["size"]})
        _, content = ask("GET", target + "?alt=media")
        return self.answer(200, content, headers)

    do_HEAD = do_GET

    def do_DELETE(self):
        bucket, key, _ = self.place()
        if not self.is_allowed(writes=True):
            return
        status, _ = ask("DELETE", f"/storage/v1/b/{segment(bucket)}/o/{segment(key)}")
        self.answer(204) if status in (200, 204) else self.missing(bucket)

    def list(self, bucket, query):
        """One page of ListObjectsV2. `startOffset` of the JSON interface includes the key itself."""
        after = query.get("continuation-token") or query.get("start-after") or ""
        page_keys = min(int(query.get("max-keys") or PAGE_KEYS_MAX), PAGE_KEYS_MAX)
        target = f"/storage/v1/b/{segment(bucket)}/o?prefix={segment(query.get('prefix', ''))}"
        target += f"&delimiter={segment(query.get('delimiter', ''))}&startOffset={segment(after)}&maxResults=1000"
        objects, folders, token = {}, set(), ""
        while True:
            status, said = ask("GET", target + (f"&pageToken={segment(token)}" if token else ""))
            if status != 200:
                return self.fail(404, "NoSuchBucket", "The specified bucket does not exist.")
            page = json.loads(said)
            objects |= {item["name"]: item for item in page.get("items") or []}
            folders |= set(page.get("prefixes") or [])
            token = page.get("nextPageToken") or ""
            if not token or len(objects) > page_keys + 1:
                break
        names = sorted((name for name in [*objects, *folders] if name > after), key=lambda name: name.encode())
        listed, more = names[:page_keys], len(names) > page_keys or bool(token)
        parts = [f"<?xml version='1.0' encoding='UTF-8'?><ListBucketResult><Name>{escape(bucket)}</Name>"]
        parts.append(f"<KeyCount>{len(listed)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>")
        if more and listed:
            parts.append(f"<NextContinuationToken>{escape(listed[-1])}</NextContinuationToken>")
        for name in listed:
            if name in folders:
                parts.append(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>")
                continue
            item = objects[name]
            parts.append(f"<Contents><Key>{escape(name)}</Key><Size>{item['size']}</Size>")
            parts.append(f"<LastModified>{item['updated']}</LastModified><ETag>\"{item['etag']}\"</ETag></Contents>")
        parts.append("</ListBucketResult>")
        self.answer(200, "".join(parts).encode(), {"Content-Type": "application/xml; charset=UTF-8"})


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
