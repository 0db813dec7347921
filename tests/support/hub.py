"""A Hub on loopback that speaks the protocol of huggingface.co to its real clients, for dataset repositories.

    with Hub() as hub:
        hub.add_repository("user/demo", {"main.json": b"{}"})     # or huggingface_hub.HfApi(endpoint=hub.url, …)
        hub.add(Answers(429, "1"), "/api/*", first(2))              # misbehaves as MisbehavingServer does

Files in LFS are redirected to another host name (`localhost`, where the Hub is `127.0.0.1`), by links that are signed,
expire, and refuse whoever brings a token. Users have tokens (`hub.token("user")`); a repository's owner may write.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from hub_repository import Blob, Commit, Repository, wants_lfs
from hub_routes import ROUTES, Refusal, json_reply, route
from misbehaving import MisbehavingServer, Reply, Request, ranged_reply, whole_reply


class Hub(MisbehavingServer):
    """The server.

    Attributes:
        repositories: by id.
        tokens: user by token.
        page: entries of a folder in one answer.
        puts: by sha256, how many times a file was uploaded to LFS.
        signature: in the links to LFS files; another one ends all links that are out.
    """

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.repositories: dict[str, Repository] = {}
        self.tokens: dict[str, str] = {}
        self.page = 1000
        self.puts: Counter[str] = Counter()
        self.signature = "s1"
        self._lfs: dict[str, bytes] = {}
        self._state = threading.RLock()

    def add_repository(self, name: str, files: Mapping[str, bytes] | Path, **facts: Any) -> Repository:
        """Put a repository there, with one commit."""
        repository = self.repositories[name] = Repository(name, **facts)
        if isinstance(files, Path):
            files = {
                file.relative_to(files).as_posix(): file.read_bytes() for file in files.rglob("*") if file.is_file()
            }
        repository.commit("main", files)
        return repository

    def token(self, user: str) -> str:
        """A token of a user, who is known from here on."""
        token = f"hf_{user}Secret"
        self.tokens[token] = user
        return token

    def asked(self, pattern: str, method: str | None = None) -> list[Request]:
        """Requests whose path matches an expression in full."""
        return [r for r in self.requests if re.fullmatch(pattern, r.path) and method in (None, r.method)]

    def reply(self, request: Request) -> Reply:
        parts = urlsplit(request.target)
        with self._state:
            for method, pattern, answer in ROUTES:
                match = pattern.fullmatch(parts.path) if method == request.method else None
                if match:
                    try:
                        return answer(self, request, **{key: unquote(part) for key, part in match.groupdict().items()})
                    except Refusal as refusal:
                        return refusal.reply
        return json_reply({"error": "Not found"}, 404)

    # who may do what

    def _user(self, request: Request) -> str | None:
        said = request.headers.get("Authorization")
        if said is None:
            return None
        user = self.tokens.get(said.removeprefix("Bearer "))
        if user is None:
            raise Refusal(401, "", "Invalid credentials in Authorization header")
        return user

    def _repository(self, request: Request, name: str, *, writes: bool = False, content: bool = False) -> Repository:
        user, found = self._user(request), self.repositories.get(name)
        may_read = found is not None and (user == found.owner or user in found.readers)
        if found is None or (found.private and not may_read):
            # the real one gives no code with 401, which its client then guesses of https addresses only
            denied = (401, "RepoNotFound", "Invalid username or password.")
            raise Refusal(*(denied if user is None else (404, "RepoNotFound", "Repository not found")))
        if content and found.gated and not may_read:
            raise Refusal(403 if user else 401, "GatedRepo", f"Access to dataset {name} is restricted.")
        if writes and user != found.owner:
            raise Refusal(403 if user else 401, "", "You don't have the rights to write here")
        return found

    def _commit(self, repository: Repository, revision: str) -> Commit:
        commit = repository.at(revision)
        if commit is None:
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    # repositories

    @route("GET", "/api/whoami-v2")
    def _whoami(self, request: Request) -> Reply:
        user = self._user(request)
        if user is None:
            raise Refusal(401, "", "Invalid username or password.")
        return json_reply({"type": "user", "name": user, "orgs": [], "auth": {"accessToken": {"role": "write"}}})

    @route("POST", "/api/repos/create")
    def _create(self, request: Request) -> Reply:
        user, asked = self._user(request), json.loads(request.body)
        name = f"{asked.get('organization') or user}/{asked['name']}"
        if user != name.partition("/")[0]:
            raise Refusal(403 if user else 401, "", f"You don't have the rights to create {name}")
        url = f"{self.url}/datasets/{name}"
        if name in self.repositories:
            return json_reply({"error": "You already created this dataset repo", "url": url}, 409)
        private = asked.get("private", False) or asked.get("visibility") == "private"
        self.repositories[name] = Repository(name, private=private)
        return json_reply({"url": url, "name": name, "id": name})

    @route("GET", "/api/datasets/{repo}")
    @route("GET", "/api/datasets/{repo}/revision/{revision}")
    def _info(self, request: Request, repo: str, revision: str = "main") -> Reply:
        repository = self._repository(request, repo)
        commit = self._commit(repository, revision)
        facts = {"id": repo, "_id": "0", "sha": commit.oid, "private": repository.private, "gated": repository.gated}
        return json_reply({**facts, "tags": [], "siblings": [{"rfilename": name} for name in commit.files]})

    @route("GET", "/api/datasets/{repo}/auth-check")
    def _auth_check(self, request: Request, repo: str) -> Reply:
        self._repository(request, repo, content=True)
        return json_reply({})

    @route("GET", "/api/datasets/{repo}/refs")
    def _refs(self, request: Request, repo: str) -> Reply:
        found = self._repository(request, repo)
        kinds = {"branches": ("heads", found.branches), "tags": ("tags", found.tags), "converts": ("", {})}
        return json_reply(
            {
                kind: [{"name": n, "ref": f"refs/{ref}/{n}", "targetCommit": c.oid} for n, c in named.items()]
                for kind, (ref, named) in kinds.items()
            }
        )

    @route("POST DELETE", "/api/datasets/{repo}/branch/{name}")
    @route("POST DELETE", "/api/datasets/{repo}/tag/{revision}")
    def _ref(self, request: Request, repo: str, name: str | None = None, revision: str = "main") -> Reply:
        repository, asked = self._repository(request, repo, writes=True), json.loads(request.body or b"{}")
        named = repository.tags if name is None else repository.branches
        if request.method == "DELETE":
            named.pop(name or revision)
            return json_reply({})
        tag = name or asked["tag"]
        if tag in named:
            return json_reply({"error": "Reference already exists"}, 409)
        named[tag] = self._commit(repository, asked.get("startingPoint", revision))
        return json_reply({})

    @route("GET", "/api/datasets/{repo}/commits/{revision}")
    def _history(self, request: Request, repo: str, revision: str) -> Reply:
        commit = self._commit(self._repository(request, repo), revision)
        return json_reply([{**one.facts(), "message": "", "authors": [{"user": "x"}]} for one in commit.history()])

    # folders

    @route("GET", "/api/datasets/{repo}/tree/{revision}")
    @route("GET", "/api/datasets/{repo}/tree/{revision}/{*path}")
    def _tree(self, request: Request, repo: str, revision: str, path: str = "") -> Reply:
        commit = self._commit(self._repository(request, repo), revision)
        query = {key: values[-1] for key, values in parse_qs(urlsplit(request.target).query).items()}
        entries = commit.folder(path.rstrip("/"), recursive=query.get("recursive", "").lower() == "true")
        if entries is None:
            raise Refusal(404, "EntryNotFound", f"{path} does not exist on {revision}")
        start = int(query.get("cursor", 0))
        reply = json_reply(entries[start : start + self.page])
        if start + self.page >= len(entries):
            return reply
        rest = f"recursive={query.get('recursive', False)}&cursor={start + self.page}"
        return reply.having(Link=f'<{self.url}{urlsplit(request.target).path}?{rest}>; rel="next"')

    @route("POST", "/api/datasets/{repo}/paths-info/{revision}")
    def _paths_info(self, request: Request, repo: str, revision: str) -> Reply:
        commit = self._commit(self._repository(request, repo), revision)
        is_form = "form" in request.headers.get("Content-Type", "")
        paths = parse_qs(request.body.decode())["paths"] if is_form else json.loads(request.body)["paths"]
        return json_reply([commit.entry(p) for p in paths if p in commit.files or commit.has_folder(p)])

    # files

    @route("GET HEAD", "/datasets/{repo}/resolve/{revision}/{*path}")
    @route("GET HEAD", "/datasets/{repo}/raw/{revision}/{*path}")
    def _file(self, request: Request, repo: str, revision: str, path: str) -> Reply:
        commit = self._commit(self._repository(request, repo, content=True), revision)
        said, blob = {"X-Repo-Commit": commit.oid}, commit.files.get(path)
        if blob is None:
            return replace(Refusal(404, "EntryNotFound", "Entry not found").reply).having(**said)
        if request.path.startswith(f"/datasets/{repo}/raw/") or not blob.is_lfs:
            whole = whole_reply(blob.pointer if blob.is_lfs else blob.data).having(**said, ETag=f'"{blob.oid}"')
            return ranged_reply(whole, request.range)
        self._lfs[blob.sha256] = blob.data
        said |= {"X-Linked-Size": str(len(blob.data)), "X-Linked-Etag": f'"{blob.sha256}"'}
        return Reply(302, headers={**said, "Location": self._link(blob.sha256)})

    def _link(self, sha256: str) -> str:
        return f"http://localhost:{self.server_port}/cdn/{sha256}?X-Amz-Signature={self.signature}"

    @route("GET HEAD PUT", "/cdn/{sha256}")
    def _cdn(self, request: Request, sha256: str) -> Reply:
        if "Authorization" in request.headers:
            return Reply(400, b"<Error>Only one auth mechanism allowed</Error>", {"Content-Type": "application/xml"})
        if not request.target.endswith(f"?X-Amz-Signature={self.signature}"):
            return Reply(403, b"<Error>Request has expired</Error>", {"Content-Type": "application/xml"})
        if request.method == "PUT":
            if Blob(request.body, is_lfs=True).sha256 != sha256:
                return Reply(400, b"<Error>BadDigest</Error>")
            self.puts[sha256] += 1
            self._lfs[sha256] = request.body
            return Reply(200, headers={"ETag": f'"{sha256}"'})
        if sha256 not in self._lfs:
            return Reply(404, b"<Error>NoSuchKey</Error>", {"Content-Type": "application/xml"})
        return ranged_reply(whole_reply(self._lfs[sha256]), request.range)

    # pushes

    @route("POST", "/api/validate-yaml")
    def _validate(self, request: Request) -> Reply:
        return json_reply({"errors": [], "warnings": []})

    @route("POST", "/api/datasets/{repo}/preupload/{revision}")
    def _preupload(self, request: Request, repo: str, revision: str) -> Reply:
        commit = self._commit(self._repository(request, repo, writes=True), revision)
        modes = []
        for file in json.loads(request.body)["files"]:
            is_lfs = wants_lfs(file["path"], file["size"], base64.b64decode(file["sample"]))
            known = {"oid": commit.files[file["path"]].etag} if file["path"] in commit.files else {}
            mode = {"uploadMode": "lfs" if is_lfs else "regular", "shouldIgnore": False}
            modes.append({"path": file["path"], **mode, **known})
        return json_reply({"files": modes})

    @route("POST", "/datasets/{repo}.git/info/lfs/objects/batch")
    def _batch(self, request: Request, repo: str) -> Reply:
        self._repository(request, repo, writes=True)
        objects = []
        for one in json.loads(request.body)["objects"]:
            upload = {"upload": {"href": self._link(one["oid"]), "header": {}}}
            objects.append(one if one["oid"] in self._lfs else {**one, "actions": upload})
        return json_reply({"transfer": "basic", "objects": objects})

    @route("POST", "/api/datasets/{repo}/commit/{revision}")
    def _push(self, request: Request, repo: str, revision: str) -> Reply:
        repository = self._repository(request, repo, writes=True)
        parent, changes, header = self._commit(repository, revision), {}, {}
        for line in request.body.splitlines():
            kind, value = (item := json.loads(line))["key"], item["value"]
            if kind == "header":
                header = value
            elif kind == "file":
                changes[value["path"]] = Blob(base64.b64decode(value["content"]), is_lfs=False)
            elif kind == "lfsFile" and value["oid"] in self._lfs:
                changes[value["path"]] = Blob(self._lfs[value["oid"]], is_lfs=True)
            elif kind == "lfsFile":
                raise Refusal(400, "", f"LFS pointer pointed to a file that does not exist: {value['oid']}")
            else:
                path = value["path"].rstrip("/") + ("/" if kind == "deletedFolder" else "")
                if path not in parent.files and not parent.has_folder(path.rstrip("/")):
                    raise Refusal(404, "EntryNotFound", f"A file with this name doesn't exist: {path}")
                changes[path] = None
        if header.get("parentCommit", parent.oid) != parent.oid:
            raise Refusal(412, "", "A commit has happened since. Please refresh and try again.")
        commit = repository.commit(revision, changes, title=header.get("summary", ""))
        url = f"{self.url}/datasets/{repo}/commit/{commit.oid}"
        return json_reply({"success": True, "commitOid": commit.oid, "commitUrl": url})
