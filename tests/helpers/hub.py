"""A hub on this machine: it answers the client of huggingface_hub as the hub does, from memory.

It knows repositories with one branch, main, and keeps every commit; large files go the way of Git LFS.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
import urllib.parse

import pytest

from ofdb_core.data import hub as hub_data

LARGE = (".tar", ".parquet", ".safetensors", ".zip", ".gz")
TOKEN = "hf_stand_in"


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub:
    """Its state: repositories, commits, stored objects, and what was asked of it.

    repos: kind/owner/name -> {commit: {path: bytes}}; fails: words of a path -> the status that it is answered with;
    cut: bytes after which the next answer to a GET breaks off.
    """

    def __init__(self):
        self.url, self.repos, self.private, self.objects = "", {}, {}, {}
        self.asked, self.fails, self.cut = [], {}, None

    def head(self, repo):
        return list(self.repos[repo])[-1]

    def commit(self, repo, added, removed=()):
        before = self.repos.setdefault(repo, {})
        files = {**(before[self.head(repo)] if before else {}), **added}
        files = {name: data for name, data in files.items() if name not in removed}
        summed = hashlib.sha1(json.dumps([len(before), *((n, git_hash(d)) for n, d in files.items())]).encode())
        before[summed.hexdigest()] = files
        return summed.hexdigest()

    def sent(self, words):
        return [path for path in self.asked if words in path]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_):
        pass

    def answer(self, data=b"", status=200, **headers):
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.command == "GET" and self.hub.cut is not None:
            body, self.hub.cut, self.close_connection = body[: self.hub.cut], None, True
        self.wfile.write(body)

    def missing(self, code="RepoNotFound"):
        self.answer({"error": code}, 404, X_Error_Code=code, X_Error_Message=code)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(url.path)
        self.hub.asked.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if failing := [status for words, status in self.hub.fails.items() if words in path]:
            return self.answer({"error": "fails"}, failing[0])
        if self.command in ("GET", "HEAD"):
            return self.read(path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}" and not path.startswith("/store/"):
            return self.answer({"error": "Invalid username or password."}, 401)
        return self.write(path, body)

    do_HEAD = do_POST = do_PUT = do_GET

    def read(self, path):
        if path == "/api/whoami-v2":
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.answer({"error": "Invalid username or password."}, 401)
            return self.answer({"type": "user", "name": "someone", "orgs": [], "auth": {}})
        if found := re.fullmatch(r"/api/(datasets|models)/([^/]+/[^/]+)(?:/(revision|tree)/(.+))?", path):
            kind, name, what, revision = found.groups()
            repo = f"{kind}/{name}"
            if repo not in self.hub.repos:
                return self.missing()
            commits = self.hub.repos[repo]
            revision = self.hub.head(repo) if revision in (None, "main") else revision
            if revision not in commits:
                return self.missing("RevisionNotFound")
            if what != "tree":
                private = self.hub.private.get(repo, False)
                about = {"id": name, "sha": revision, "private": private, "tags": [], "downloads": 0, "likes": 0}
                return self.answer({**about, "siblings": [{"rfilename": one} for one in commits[revision]]})
            return self.answer([self.entry(name, data) for name, data in commits[revision].items()])
        if found := re.fullmatch(r"(?:/(datasets))?/([^/]+/[^/]+)/resolve/([0-9a-f]{40}|main)/(.+)", path):
            kind, name, revision, file = found.groups()
            repo = f"{kind or 'models'}/{name}"
            revision = self.hub.head(repo) if revision == "main" else revision
            data = self.hub.repos[repo][revision].get(file)
            return self.missing("EntryNotFound") if data is None else self.file(data, file, revision)
        if path.startswith("/plain/") and path in self.hub.objects:
            return self.file(self.hub.objects[path], path, "")
        return self.missing("EntryNotFound")

    def entry(self, name, data):
        about = {"type": "file", "path": name, "size": len(data), "oid": git_hash(data)}
        if name.endswith(LARGE):
            about["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        return about

    def file(self, data, name, commit):
        tag = self.entry(name, data).get("lfs", {"oid": git_hash(data)})["oid"]
        about = {"ETag": f'"{tag}"', "X_Repo_Commit": commit, "Accept_Ranges": "bytes"}
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            begin = int(found[1])
            if begin >= len(data):
                return self.answer(b"", 416)
            about["Content_Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
            return self.answer(data[begin:], 206, **about)
        return self.answer(data, **about)

    def write(self, path, body):
        hub, origin = self.hub, f"http://{self.headers['Host']}"
        if path == "/api/repos/create":
            asked = json.loads(body)
            kind = f"{asked.get('type') or 'model'}s"
            repo = f"{kind}/{asked['organization']}/{asked['name']}"
            place = f"{origin}/{repo.removeprefix('models/')}"
            if repo in hub.repos:
                return self.answer({"error": "You already created this repo", "url": place}, 409)
            hub.private[repo] = asked.get("visibility") == "private" or asked.get("private", False)
            hub.commit(repo, {".gitattributes": b"*.tar filter=lfs\n"})
            return self.answer({"url": place, "name": repo.partition("/")[2], "id": "1"})
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if path.startswith("/store/"):
            hub.objects[path.rpartition("/")[2]] = body
            return self.answer()
        if path.endswith(".git/info/lfs/objects/batch"):
            objects = [
                {"oid": one["oid"], "size": one["size"]}
                | (
                    {}
                    if one["oid"] in hub.objects
                    else {"actions": {"upload": {"href": f"{origin}/store/{one['oid']}"}}}
                )
                for one in json.loads(body)["objects"]
            ]
            return self.answer({"transfer": "basic", "objects": objects})
        found = re.fullmatch(r"/api/(datasets|models)/([^/]+/[^/]+)/(preupload|commit)/main", path)
        repo = f"{found[1]}/{found[2]}" if found else ""
        if not found or repo not in hub.repos:
            return self.missing()
        if found[3] == "preupload":
            now = hub.repos[repo][hub.head(repo)]
            modes = [
                {
                    **{"path": one["path"], "shouldIgnore": False},
                    "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular",
                    "oid": git_hash(now[one["path"]]) if one["path"] in now else None,
                }
                for one in json.loads(body)["files"]
            ]
            return self.answer({"files": modes})
        added = {}
        for line in body.splitlines():
            key, value = (json.loads(line)[word] for word in ("key", "value"))
            if key == "file":
                added[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                added[value["path"]] = hub.objects[value["oid"]]
        commit = hub.commit(repo, added)
        return self.answer({"commitOid": commit, "commitUrl": f"{origin}/{repo}/commit/{commit}", "success": True})


@contextlib.contextmanager
def serving():
    """The hub, at work: `hub.url` is its address."""
    hub = Hub()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def use(monkeypatch, hub, home, token=TOKEN):
    """Let huggingface_hub, which may be imported already, ask this hub, with a token or none; home: for its cache."""
    from huggingface_hub import constants, hf_api

    for module in (constants, hf_api):
        if hasattr(module, "ENDPOINT"):
            monkeypatch.setattr(module, "ENDPOINT", hub.url)
    monkeypatch.setattr(hf_api.api, "endpoint", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that the client of huggingface_hub asks, with somebody logged in."""
    hub_data.commit_of.cache_clear()
    with serving() as hub:
        use(monkeypatch, hub, tmp_path / "home")
        yield hub
