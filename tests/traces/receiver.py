"""Receives OTLP over HTTP by the package oteltest, which reads it with OpenTelemetry's own protobuf classes.

Prints its port, then each request for traces as a line of JSON, until its standard input is closed. What is sent to it
as anything but traces is an error that ends it.
"""

import json
import logging
import os
import sys
import time

from google.protobuf.json_format import MessageToDict
from oteltest.sink import HttpSink
from oteltest.sink.handler import RequestHandler


class Lines(RequestHandler):
    def handle_trace(self, request, headers):
        print(json.dumps(MessageToDict(request)), flush=True)

    def handle_logs(self, request, headers):
        os._exit(1)

    def handle_metrics(self, request, headers):
        os._exit(1)


sink = HttpSink(Lines(), logging.getLogger("receiver"), port=0)
sink.start()
while sink.httpd is None:
    time.sleep(0.01)
print(sink.httpd.server_port, flush=True)
sys.stdin.read()
