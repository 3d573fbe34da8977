#!/bin/sh
# Works a sandbox with the AWS CLI and checks that it parses everything.
# Usage: check_awscli.sh ENDPOINT_URL AWS. The world is the one of tests/tools/clients.rs.
set -eu

url=$1
aws=$2
export AWS_ACCESS_KEY_ID=SANDBOX AWS_SECRET_ACCESS_KEY=secret AWS_DEFAULT_REGION=us-east-1
export AWS_MAX_ATTEMPTS=1 AWS_PAGER= AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export AWS_EC2_METADATA_DISABLED=true

lightsail() {
    "$aws" lightsail --endpoint-url "$url" --output text "$@"
}

# In text the CLI applies a query to each page, in JSON to all of them.
listed() {
    "$aws" lightsail --endpoint-url "$url" --output json get-key-pairs --query 'length(keyPairs)' "$@"
}

expect() { # WANTED SEEN
    if [ "$1" != "$2" ]; then
        echo "expected '$1', got '$2'" >&2
        exit 1
    fi
}

refused() { # CODE COMMAND...
    code=$1
    shift
    if said=$(lightsail "$@" 2>&1); then
        echo "$* should have been refused with $code" >&2
        exit 1
    fi
    case $said in
    *"($code)"*) ;;
    *)
        echo "$* was refused with '$said', not $code" >&2
        exit 1
        ;;
    esac
}

expect cli-1 "$(lightsail create-key-pair --key-pair-name cli-1 --query keyPair.name)"
expect ImportKeyPair "$(lightsail import-key-pair --key-pair-name cli-2 --public-key-base64 AAAA --query operation.operationType)"
expect 27 "$(listed)"
expect 28 "$(listed --include-default-key-pair)"
expect cli-1 "$(lightsail get-key-pair --key-pair-name cli-1 --query keyPair.name)"
expect DeleteKeyPair "$(lightsail delete-key-pair --key-pair-name cli-1 --query operation.operationType)"
expect "CreateKeyPair	DeleteKeyPair" "$(lightsail get-operations-for-resource --resource-name cli-1 --query 'operations[].operationType')"
expect us-east-1 "$(lightsail get-regions --query 'regions[].name')"
expect arn:aws-sandbox:sts::111122223333:assumed-role/cleanup/cli "$("$aws" sts assume-role --endpoint-url "$url" --output text \
    --role-arn arn:aws:iam::111122223333:role/cleanup --role-session-name cli --external-id e-1 --query AssumedRoleUser.Arn)"
expect 000000000000 "$("$aws" sts get-caller-identity --endpoint-url "$url" --output text --query Account)"

refused NotFoundException delete-key-pair --key-pair-name cli-1
refused NotFoundException get-key-pair --key-pair-name cli-1
refused InvalidInputException delete-key-pair --key-pair-name LightsailDefaultKeyPair
refused InvalidInputException create-key-pair --key-pair-name cli-2
refused UnknownOperationException get-bundles
refused ThrottlingException delete-key-pair --key-pair-name throttled
refused AccessDeniedException delete-key-pair --key-pair-name denied
refused AccountSetupInProgressException delete-key-pair --key-pair-name account-setup
refused RegionSetupInProgressException delete-key-pair --key-pair-name region-setup
refused ServiceException delete-key-pair --key-pair-name internal
refused ExpiredTokenException delete-key-pair --key-pair-name expired

echo "aws-cli: everything parses"
