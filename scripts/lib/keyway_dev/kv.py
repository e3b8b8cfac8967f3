"""What the clients of the key-value stores share: HTTP by urllib, several endpoints, and one meaning of each call."""
import json
import ssl
import urllib.error
import urllib.request

from . import Failure


class StoreError(Failure):
    """The store refused, or none of its endpoints answered. status: HTTP's, 0 without an answer."""

    def __init__(self, text, status=0):
        super().__init__(text)
        self.status = status


class Item:
    """A key's value and its version: another one after every change, as a compare-and-swap wants it."""

    def __init__(self, key, value, version):
        self.key, self.value, self.version = key, value, version

    def json(self):
        return json.loads(self.value)

    def __repr__(self):
        return "Item(%r, %r, %d)" % (self.key, self.value, self.version)


def tls_context(ca, cert, key):
    context = ssl.create_default_context(cafile=ca)
    if cert:
        context.load_cert_chain(cert, key)
    return context


class Http:
    """Requests to the endpoint that answered last, then to the others."""

    def __init__(self, endpoints, timeout=10, ca=None, cert=None, key=None):
        self.endpoints, self.timeout = list(endpoints), timeout
        context = tls_context(ca, cert, key) if ca else None
        # A proxy that the environment names has no business on loopback.
        handlers = [urllib.request.ProxyHandler({})] + ([urllib.request.HTTPSHandler(context=context)] if context else [])
        self.opener = urllib.request.build_opener(*handlers)

    def request(self, method, path, body=None, headers=None, accept=()):
        """(status, headers, body); a status that is neither 200 nor accepted is a StoreError."""
        last = None
        for endpoint in list(self.endpoints):
            req = urllib.request.Request(endpoint + path, data=body, method=method, headers=headers or {})
            try:
                with self.opener.open(req, timeout=self.timeout) as r:
                    got = r.status, r.headers, r.read()
            except urllib.error.HTTPError as x:
                text = x.read()
                if x.code not in accept:
                    if x.code < 500:
                        raise StoreError("%s%s: %d %s" % (endpoint, path, x.code, text.decode(errors="replace")), x.code)
                    last = StoreError("%s%s: %d %s" % (endpoint, path, x.code, text.decode(errors="replace")), x.code)
                    continue
                got = x.code, x.headers, text
            except (OSError, ValueError) as x:
                last = StoreError("%s: %s" % (endpoint, x))
                continue
            self.endpoints.remove(endpoint)
            self.endpoints.insert(0, endpoint)
            return got
        raise last
