"""A peer for Claviger's interop tests, on Mbed TLS by python-mbedtls.

It takes its task as words key=value; its keys are files of the working folder. What it reads on standard input it
sends, a line each, and what it receives it prints. It ends with its input.
"""

import os
import select
import socket
import sys

from mbedtls import pk, tls, version, x509

DATAGRAM = 1 << 14


def configuration(task, side):
    options = {
        "ciphers": (task["suite"].replace("_", "-"),),
        "lowest_supported_version": tls.DTLSVersion.DTLSv1_2,
        "validate_certificates": task["keys"] == "x509",
    }
    if task["keys"] == "psk":
        key = bytes.fromhex(task["psk"])
        if side == "client":
            options["pre_shared_key"] = (task["identity"], key)
        else:
            options["pre_shared_key_store"] = {task["identity"]: key}
    else:
        own = x509.CRT.from_file(f"{side}.pem")
        options["certificate_chain"] = ((own,), pk.ECC.from_file(f"{side}.key"))
        options["trust_store"] = tls.TrustStore.from_pem_file("ca.pem")
    return tls.DTLSConfiguration(**options)


class Peer:
    def __init__(self, task):
        self.serves = "listen" in task
        host, _, port = task["listen" if self.serves else "connect"].rpartition(":")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if self.serves:
            self.context = tls.ServerContext(configuration(task, "server"))
            self.socket.bind((host, int(port)))
            self.other = None
            print("listening", flush=True)
        else:
            self.context = tls.ClientContext(configuration(task, "client"))
            self.other = (host, int(port))
        self.begin()

    def begin(self):
        if self.serves:
            self.session = self.context.wrap_buffers()
            if self.other:
                self.session.setcookieparam(self.other[0].encode())
        else:
            self.session = self.context.wrap_buffers("server.test")

    def flush(self):
        while out := self.session.peek_outgoing(DATAGRAM):
            self.session.consume_outgoing(self.socket.sendto(out, self.other))

    def is_open(self):
        return self.session._handshake_state is tls.HandshakeStep.HANDSHAKE_OVER

    def shake_hands(self):
        """As far as it goes with what has arrived."""
        while self.other and not self.is_open():
            try:
                self.session.do_handshake()
            except tls.WantReadError:
                break
            except tls.WantWriteError:
                self.flush()
            except tls.HelloVerifyRequest:
                self.flush()
                self.begin()
                return
        if self.other:
            self.flush()

    def hear(self):
        datagram, other = self.socket.recvfrom(DATAGRAM)
        if self.other is None:
            self.other = other
            self.begin()
        self.session.receive_from_network(datagram)
        if self.is_open():
            try:
                print(self.session.read(DATAGRAM).decode(), flush=True)
            except tls.WantReadError:
                pass

    def run(self):
        self.shake_hands()
        told = b""
        while True:
            sources = [self.socket, 0] if self.is_open() else [self.socket]
            ready, _, _ = select.select(sources, [], [], 1.0)
            if self.socket in ready:
                self.hear()
            if 0 in ready:
                more = os.read(0, DATAGRAM)
                if not more:
                    return
                *lines, told = (told + more).split(b"\n")
                for line in lines:
                    self.session.write(line)
                    self.flush()
            self.shake_hands()


if sys.argv[1:] == ["version"]:
    print(version.version)
else:
    Peer(dict(word.split("=", 1) for word in sys.argv[1:])).run()
