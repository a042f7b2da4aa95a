"""A certificate authority of one's own, and what it has signed: by openssl, as an operator would make them."""

import os
import ssl

from process import run


def _openssl(*arguments):
    ended = run("openssl", *arguments)
    if ended.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {ended.stdout}")


_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Certificates:
    """A CA, and a server's certificate for `name` that it has signed: files in `directory`."""

    def __init__(self, directory, name="localhost"):
        self._directory = directory
        self.ca = os.path.join(directory, "ca.pem")
        self._ca_key = os.path.join(directory, "ca.key")
        _openssl("req", "-x509", *_CURVE, "-keyout", self._ca_key, "-out", self.ca, "-days", "2", "-subj", "/CN=test CA")
        self.certificate, self.key = self.issue("crt", name)

    def issue(self, file, *names, days=2):
        """(certificate, key) for `names`, in `file`.pem and `file`-key.pem; again: others, in the same files."""
        certificate, key = (os.path.join(self._directory, file + end) for end in (".pem", "-key.pem"))
        request, extensions = (os.path.join(self._directory, file + end) for end in (".request", ".extensions"))
        with open(extensions, "w", encoding="utf-8") as out:
            out.write("subjectAltName=" + ",".join(f"DNS:{name}" for name in names) + "\n")
        _openssl("req", *_CURVE, "-keyout", key + ".new", "-out", request, "-subj", "/CN=" + names[0])
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._ca_key, "-CAcreateserial",
                 "-days", str(days), "-extfile", extensions, "-out", certificate + ".new")
        for path in (key, certificate):
            os.replace(path + ".new", path)
        return certificate, key

    def client_context(self, identity=None):
        """What trusts the CA alone. `identity`: the (certificate, key) of a client."""
        context = ssl.create_default_context(cafile=self.ca)
        if identity:
            context.load_cert_chain(*identity)
        return context
