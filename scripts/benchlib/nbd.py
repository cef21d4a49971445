"""An NBD client that reads one piece after the other: newstyle handshake, simple replies, no options."""
import socket
import struct

from . import Failed

_OPTION = 0x49484156454F5054
_OPT_GO, _REP_ACK, _REP_INFO, _INFO_EXPORT = 7, 1, 3, 0
_REQUEST, _REPLY, _READ, _DISCONNECT = 0x25609513, 0x67446698, 0, 2


class Nbd:
    def __init__(self, path, export):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        _, _, flags = struct.unpack(">QQH", self._receive(18))
        self.sock.sendall(struct.pack(">I", flags & 1))
        name = export.encode()
        data = struct.pack(">I", len(name)) + name + struct.pack(">H", 0)
        self.sock.sendall(struct.pack(">QII", _OPTION, _OPT_GO, len(data)) + data)
        self.size = self._size()

    def _receive(self, n):
        data = bytearray()
        while len(data) < n:
            piece = self.sock.recv(n - len(data))
            if not piece:
                raise ConnectionError("the NBD server has gone")
            data += piece
        return bytes(data)

    def _size(self):
        size = None
        while True:
            _, _, kind, length = struct.unpack(">QIII", self._receive(20))
            data = self._receive(length)
            if kind == _REP_INFO and struct.unpack(">H", data[:2])[0] == _INFO_EXPORT:
                size = struct.unpack(">Q", data[2:10])[0]
            elif kind == _REP_ACK:
                return size
            elif kind & 1 << 31:
                raise Failed(f"the NBD server refuses the export: {data.decode()}")

    def read(self, offset, length):
        self.sock.sendall(struct.pack(">IHHQQI", _REQUEST, 0, _READ, 0, offset, length))
        magic, error, _ = struct.unpack(">IIQ", self._receive(16))
        if magic != _REPLY or error:
            raise OSError(error, "the NBD server cannot read")
        return self._receive(length)

    def close(self):
        self.sock.sendall(struct.pack(">IHHQQI", _REQUEST, 0, _DISCONNECT, 0, 0, 0))
        self.sock.close()
