"""Works a sandbox with botocore/boto3 and checks that everything parses as it would from AWS.

Usage: check_boto3.py ENDPOINT_URL. The world is the one of tests/tools/clients.rs.
"""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

URL = sys.argv[1]


def client(service, region="us-east-1", access_key="SANDBOX", token=None):
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=URL,
        aws_access_key_id=access_key,
        aws_secret_access_key="secret",
        aws_session_token=token,
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

regions = lightsail.get_regions()["regions"]
assert [(region["name"], region["continentCode"]) for region in regions] == [("us-east-1", "NA")], regions

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
refused("UnknownOperationException", 400, lightsail.get_bundles)
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

# Another account, by a role with an external id.
role = {"RoleArn": "arn:aws-sandbox:iam::111122223333:role/cleanup", "RoleSessionName": "boto"}
as_role = client("sts").assume_role
refused("AccessDenied", 403, as_role, **role)
refused("ValidationError", 400, as_role, **role, ExternalId="e-1", DurationSeconds=1)
given = as_role(**role, ExternalId="e-1")
assert given["AssumedRoleUser"]["Arn"] == "arn:aws-sandbox:sts::111122223333:assumed-role/cleanup/boto", given
assert given["Credentials"]["Expiration"].tzinfo is not None
keys = (given["Credentials"]["AccessKeyId"], given["Credentials"]["SessionToken"])
there = client("lightsail", access_key=keys[0], token=keys[1])
assert [pair["name"] for pair in there.get_key_pairs()["keyPairs"]] == ["elsewhere"]
assert client("sts", access_key=keys[0], token=keys[1]).get_caller_identity()["Account"] == "111122223333"
refused("UnrecognizedClientException", 400, client("lightsail", access_key=keys[0]).get_key_pairs)
refused("UnrecognizedClientException", 400, client("lightsail", access_key="NOBODY").get_key_pairs)
refused("InvalidClientTokenId", 403, client("sts", access_key="NOBODY").get_caller_identity)
there.delete_key_pair(keyPairName="elsewhere")
refused("ExpiredTokenException", 400, there.get_key_pairs)

print("boto3: everything parses")
