"""A QMP connection to a guest's QEMU, for the programs here."""
import json
import socket


class Monitor:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(path)
        # a stream for both ways would drop what it has read ahead at each write
        self.stream = self.sock.makefile("r")
        self.stream.readline()
        self.execute("qmp_capabilities")

    def ask(self, command, **arguments):
        """(True, what it returns) or (False, QEMU's words)"""
        arguments = {k.replace("_", "-"): v for k, v in arguments.items() if v is not None}
        self.sock.sendall((json.dumps({"execute": command, "arguments": arguments}) + "\n").encode())
        while True:
            line = self.stream.readline()
            if not line:
                raise SystemExit(f"QEMU died of {command} {arguments}")
            try:
                answer = json.loads(line)
            except ValueError as e:
                raise SystemExit(f"QEMU's answer to {command} {arguments}: {e}: {line!r}") from e
            if "error" in answer:
                return False, answer["error"]["desc"]
            if "return" in answer:
                return True, answer["return"]

    def execute(self, command, **arguments):
        """What it returns; QEMU's words are a RuntimeError."""
        good, answer = self.ask(command, **arguments)
        if not good:
            raise RuntimeError(answer)
        return answer
