"""Certificates for tests, made by openssl."""
import pathlib
import ssl
import subprocess

from conftest import PATIENCE, Daemon


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Pair:
    """A certificate and its key."""

    def __init__(self, certificate, key):
        self.certificate, self.key = pathlib.Path(certificate), pathlib.Path(key)

    def options(self):
        return ["--tls-certificate", str(self.certificate), "--tls-key", str(self.key)]


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder, name="authority"):
        self.folder, self.name = pathlib.Path(folder), name
        self.certificate, self.key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-days", "2",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                "-keyout", self.key, "-out", self.certificate)

    def issue(self, name, expired=False, purpose=None, names="DNS:localhost,IP:127.0.0.1,IP:::1"):
        """A certificate. purpose: serverAuth or clientAuth alone."""
        request, pair = self.folder / f"{name}.request", Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        extensions = ["-addext", f"subjectAltName={names}", *(["-addext", f"extendedKeyUsage={purpose}"] if purpose else [])]
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", *extensions,
                "-keyout", pair.key, "-out", request)
        self._sign(request, pair.certificate, expired)
        pair.key.chmod(0o600)
        return pair

    def _sign(self, request, certificate, expired):
        settings = self.folder / f"{self.name}.settings"
        settings.write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={self.folder}/index\nnew_certs_dir={self.folder}\nrand_serial=yes\nunique_subject=no\n"
                            "default_md=sha256\npolicy=names\ncopy_extensions=copy\n[names]\ncommonName=supplied\n")
        (self.folder / "index").touch()
        time = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"] if expired else ["-days", "2"]
        openssl("ca", "-batch", "-notext", "-config", settings, "-cert", self.certificate, "-keyfile", self.key, "-in", request, "-out", certificate, *time)

    def context(self, client=None):
        """What a client needs to connect to a server of this authority."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        if client is not None:
            context.load_cert_chain(client.certificate, client.key)
        return context


class TlsDaemon(Daemon):
    """A daemon with TLS. Its requests and sockets speak TLS."""

    def __init__(self, state, context, *options, **keywords):
        self.context = context
        super().__init__(state, *options, **keywords)

    def connect(self):
        import http.client
        return http.client.HTTPSConnection(self.host, self.port, timeout=PATIENCE, context=self.context)

    def plain_socket(self):
        return super().socket()

    def socket(self):
        return self.context.wrap_socket(super().socket(), server_hostname=self.host)

    def url(self, path, **fields):
        return super().url(path, **fields).replace("http://", "https://", 1)
