"""Works a sandbox with botocore/boto3 and checks that everything parses as it would from AWS.

Usage: check_boto3.py ENDPOINT_URL. The world is the one of tests/tools/clients.rs.
"""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

URL = sys.argv[1]


def client(service, region="us-east-1"):
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=URL,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


def refused(code, status, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        seen = error.response["Error"]
        assert seen["Code"] == code, (code, seen)
        assert seen["Message"], seen
        metadata = error.response["ResponseMetadata"]
        assert metadata["HTTPStatusCode"] == status, metadata
        assert metadata["RequestId"], metadata
        return
    raise AssertionError(f"{code} was expected from {call.__name__}({arguments})")


lightsail = client("lightsail")

created = lightsail.create_key_pair(keyPairName="boto-1", tags=[{"key": "team", "value": "red"}])
assert created["keyPair"]["name"] == "boto-1", created
assert created["keyPair"]["createdAt"].tzinfo is not None
assert "not a private key" in created["privateKeyBase64"]
assert created["operation"]["isTerminal"] is True
imported = lightsail.import_key_pair(keyPairName="boto-2", publicKeyBase64="c3NoLXJzYSBBQUFB")
assert imported["operation"]["operationType"] == "ImportKeyPair", imported

names, token, pages = [], None, 0
while True:
    page = lightsail.get_key_pairs(**({"pageToken": token} if token else {}))
    names += [pair["name"] for pair in page["keyPairs"]]
    pages += 1
    token = page.get("nextPageToken")
    if not token:
        break
assert pages > 1 and len(names) == len(set(names)) == 27, (pages, names)
assert "LightsailDefaultKeyPair" not in names
paginated = lightsail.get_paginator("get_key_pairs").paginate(includeDefaultKeyPair=True)
assert len([pair for page in paginated for pair in page["keyPairs"]]) == 28

pair = lightsail.get_key_pair(keyPairName="boto-1")["keyPair"]
assert pair == created["keyPair"], (pair, created["keyPair"])
assert pair["arn"].startswith("arn:aws-sandbox:lightsail:us-east-1:000000000000:KeyPair/")
assert pair["tags"] == [{"key": "team", "value": "red"}]

deleted = lightsail.delete_key_pair(keyPairName="boto-1")["operation"]
assert deleted["operationType"] == "DeleteKeyPair" and deleted["status"] in ("Succeeded", "Completed"), deleted
assert lightsail.get_operation(operationId=deleted["id"])["operation"]["id"] == deleted["id"]
history = lightsail.get_operations_for_resource(resourceName="boto-1")["operations"]
assert [operation["operationType"] for operation in history] == ["CreateKeyPair", "DeleteKeyPair"], history
assert len(lightsail.get_operations()["operations"]) == 3
instances = lightsail.get_instances()["instances"]
assert instances[0]["sshKeyName"] == "used" and instances[0]["state"]["name"] == "running", instances

identity = client("sts").get_caller_identity()
assert identity["Account"] == "000000000000", identity
assert identity["Arn"] == "arn:aws-sandbox:sts::000000000000:assumed-role/keybatch-sandbox/rehearsal"

refused("NotFoundException", 400, lightsail.delete_key_pair, keyPairName="boto-1")
refused("NotFoundException", 400, lightsail.get_key_pair, keyPairName="boto-1")
refused("InvalidInputException", 400, lightsail.delete_key_pair, keyPairName="-x-")
refused("InvalidInputException", 400, lightsail.delete_key_pair)
refused("InvalidInputException", 400, lightsail.delete_key_pair, keyPairName="LightsailDefaultKeyPair")
refused("InvalidInputException", 400, lightsail.create_key_pair, keyPairName="boto-2")
refused("InvalidInputException", 400, lightsail.get_key_pairs, pageToken="nonsense")
refused("UnknownOperationException", 400, lightsail.get_regions)
for name, code, status in [
    ("throttled", "ThrottlingException", 400),
    ("denied", "AccessDeniedException", 400),
    ("account-setup", "AccountSetupInProgressException", 400),
    ("region-setup", "RegionSetupInProgressException", 400),
    ("internal", "ServiceException", 500),
    ("expired", "ExpiredTokenException", 400),
]:
    refused(code, status, lightsail.delete_key_pair, keyPairName=name)
    assert lightsail.delete_key_pair(keyPairName=name)["operation"]["isTerminal"]
refused("ExpiredToken", 403, client("sts").get_caller_identity)

print("boto3: everything parses")
