"""sbom.py BOM LOCK: a CycloneDX list of packages names what Cargo.lock locks: same versions, same checksums, and nothing
that must be there is missing. Python's standard library alone."""

import json
import sys
import tomllib

# What keybatch talks to AWS with, keeps its journal in, and encrypts with.
REQUIRED = ["aws-sdk-lightsail", "aws-sdk-sts", "aws-config", "sqlx", "libsqlite3-sys", "rustls", "aws-lc-rs", "sha2"]

bom_path, lock_path = sys.argv[1:]
with open(bom_path, encoding="utf-8") as file:
    bom = json.load(file)
with open(lock_path, "rb") as file:
    locked = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.load(file)["package"]}

assert bom["bomFormat"] == "CycloneDX", bom["bomFormat"]
assert bom["metadata"]["component"]["name"] == "keybatch", bom["metadata"]
listed = {(c["name"], c["version"]): c for c in bom["components"]}
for key, component in listed.items():
    assert key in locked, f"{key} is not locked"
    hashes = [entry["content"] for entry in component.get("hashes", []) if entry["alg"] == "SHA-256"]
    assert hashes == [locked[key]], f"{key}: {hashes} is not {locked[key]}"
    assert component["purl"].startswith(f"pkg:cargo/{key[0]}@{key[1]}"), component["purl"]
    assert component.get("licenses"), f"{key} has no licence"
names = {name for name, _ in listed}
missing = [name for name in REQUIRED if name not in names]
assert not missing, f"missing: {missing}"
print(f"{bom_path}: {len(listed)} packages as locked")
