#!/usr/bin/python3
"""HTTP servers on 127.0.0.1 that write down what they get.

    http_receiver.py FOLDER CERTIFICATES

CERTIFICATES is a folder of make-certificates.  When all servers listen, FOLDER/ports has a line "NAME PORT" for
each; the kernel has chosen the ports: http, https, https-wronghost, https-otherca, https-expired, and proxy and
proxy-auth, which are proxies; the second one wants the user "pat" with the password "pr0xy p@ss".  Asked for
/parrot/... they answer 502, and what they were told for logging in.

FOLDER/requests gets a line of JSON for each request before it is answered: server, method, path, headers (list of
name and value), body.  The first part of the path says what the answer is:

    /message        as gotify's: 200 if X-Gotify-Key and Authorization have the token "AbCdEf.123456", else 401
    /500, /404 ...  that status, with a text
    /parrot         500, and the whole request in the text
    /hang           none
    /drop           none, the connection is closed
    /half           less than was announced
    /endless        200, and a text without an end
    /307            a redirect to /elsewhere
    else            200
"""
import base64
import http.server
import json
import os
import select
import socket
import ssl
import sys
import threading

TOKEN = "AbCdEf.123456"
PROXY_LOGIN = "Basic " + base64.b64encode(b"pat:pr0xy p@ss").decode()
lock = threading.Lock()
never = threading.Event()


def gotify_answer(headers):
    if headers["X-Gotify-Key"] == TOKEN and headers["Authorization"] == "Bearer " + TOKEN:
        return 200, {"id": 1, "appid": 1}
    return 401, {"error": "Unauthorized", "errorCode": 401,
                 "errorDescription": "you need to provide a valid access token"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def record(self):
        length = int(self.headers["Content-Length"] or 0)
        self.body = self.rfile.read(length).decode("latin-1")
        line = json.dumps({
            "server": self.server.name, "method": self.command, "path": self.path,
            "headers": self.headers.items(), "body": self.body,
        })
        with lock, open(os.path.join(self.server.folder, "requests"), "a", encoding="ascii") as f:
            f.write(line + "\n")

    def answer(self, status, text, announced=None, **headers):
        data = text.encode("latin-1", "replace")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", announced or len(data))
        self.end_headers()
        self.wfile.write(data)

    def endless(self):
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"and so on " * 100)
        except OSError:
            self.close_connection = True

    def do(self):
        self.record()
        first = self.path.split("?")[0].split("/")[1]
        if first == "message":
            status, answer = gotify_answer(self.headers)
            self.answer(status, json.dumps(answer))
        elif first == "parrot":
            self.answer(500, f"cannot {self.command} {self.path}\r\n{self.headers}\r\n{self.body}")
        elif first == "hang":
            never.wait()
        elif first == "drop":
            self.close_connection = True
        elif first == "half":
            self.answer(200, "half", announced=1000)
            self.close_connection = True
        elif first == "endless":
            self.endless()
        elif first == "307":
            self.answer(307, "over there", Location="/elsewhere")
        elif first.isdigit():
            self.answer(int(first), f"this is\n\x1b[31m{first}")
        else:
            self.answer(200, "ok")

    do_GET = do_POST = do_PUT = do


class Proxy(Handler):
    def is_welcome(self):
        if self.server.name == "proxy" or self.headers["Proxy-Authorization"] == PROXY_LOGIN:
            return True
        self.answer(407, "who are you?", **{"Proxy-Authenticate": "Basic realm=tests"})
        return False

    def do(self):
        self.record()
        if not self.is_welcome():
            return
        if "/parrot/" in self.path:
            self.answer(502, "who is " + self.headers["Proxy-Authorization"])
        else:
            self.answer(200, "forwarded")

    do_GET = do_POST = do_PUT = do

    def do_CONNECT(self):
        self.record()
        if not self.is_welcome():
            return
        host, port = self.path.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as peer:
            self.send_response(200)
            self.end_headers()
            self.relay(peer)
        self.close_connection = True

    def relay(self, peer):
        other = {self.connection: peer, peer: self.connection}
        while True:
            for ready in select.select(list(other), [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                other[ready].sendall(data)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder, name, handler, context=None):
        super().__init__(("127.0.0.1", 0), handler)
        self.folder = folder
        self.name = name
        self.context = context

    def finish_request(self, request, client_address):
        # in the request's own thread: a client that refuses the certificate holds nobody up
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)
        if self.context:
            request.close()

    def handle_error(self, request, client_address):
        pass


def context(certificates, name):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(os.path.join(certificates, name + ".pem"), os.path.join(certificates, name + ".key"))
    return c


def main(folder, certificates):
    servers = [
        Server(folder, "http", Handler),
        Server(folder, "https", Handler, context(certificates, "good")),
        Server(folder, "proxy", Proxy),
        Server(folder, "proxy-auth", Proxy),
    ]
    for name in "wronghost", "otherca", "expired":
        servers.append(Server(folder, "https-" + name, Handler, context(certificates, name)))
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(os.path.join(folder, "ports.new"), "w", encoding="ascii") as f:
        for server in servers:
            f.write(f"{server.name} {server.server_address[1]}\n")
    os.rename(os.path.join(folder, "ports.new"), os.path.join(folder, "ports"))
    never.wait()


main(*sys.argv[1:])
