"""Valid names of experiments that a URL must escape or that look like a path of the API."""
import urllib.parse

NAMES = ["a/b", "a b", "ü", "..", ".", "/", "a/trials", "x/pin", "100%", "%2F", "a+b", "?", "#", "&limit=9", "x" * 256, "\U0001f407" * 64, "\n", "head"]


def quoted(name):
    return urllib.parse.quote(name, safe="")
