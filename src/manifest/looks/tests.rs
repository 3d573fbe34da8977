//! What values look like, by examples from real files.

use super::super::near::hinted;
use super::*;

fn looks_like(header: &str, value: &str) -> Option<Looks> {
    looks(value, header, hinted(header))
}

const FINGERPRINT: &str = "3f:9a:1c:77:e2:08:5d:b4:6a:91:c3:0e:f8:25:7b:d6:44:ad:19:80";

#[test]
fn values_that_look_like_guards_under_any_name() {
    for (value, expected) in [
        ("eu-central-1", Looks::Region),
        ("EU-Central-1", Looks::Region),
        ("us_east_1", Looks::Region),
        (" us-gov-west-1 ", Looks::Region),
        ("eusc-de-east-1", Looks::Region),
        ("us-isob-east-1", Looks::Region),
        ("Frankfurt (eu-central-1)", Looks::Region),
        ("eu-central-1 (Frankfurt)", Looks::Region),
        ("US East (N. Virginia)", Looks::Region),
        ("South America (São Paulo)", Looks::Region),
        ("São Paulo (sa-east-1)", Looks::Region),
        // The API's `location` as PowerShell 7, pandas and jq write it; and lists.
        ("@{availabilityZone=all; regionName=eu-central-1}", Looks::Region),
        ("Frankfurt [eu-central-1]", Looks::Region),
        ("Frankfurt/eu-central-1", Looks::Region),
        ("Europe (Frankfurt) / eu-central-1", Looks::Region),
        ("region=eu-central-1", Looks::Region),
        ("region: eu-central-1", Looks::Region),
        ("eu-central-1|all", Looks::Region),
        ("all|eu-central-1a", Looks::Zone),
        ("lightsail.eu-central-1.amazonaws.com", Looks::Region),
        ("https://lightsail.eu-central-1.amazonaws.com/", Looks::Region),
        ("https://eu-central-1.console.aws.amazon.com/lightsail/home", Looks::Region),
        ("@{availabilityZone=eu-central-1a; regionName=eu-central-1}", Looks::Region),
        ("{'availabilityZone': 'all', 'regionName': 'eu-central-1'}", Looks::Region),
        ("{\"availabilityZone\":\"all\",\"regionName\":\"eu-central-1\"}", Looks::Region),
        ("us-east-1;eu-west-1", Looks::Region),
        ("us-east-1, eu-west-1", Looks::Region),
        ("KeyPair/05859e3d-331d-48ba-9034-0123456789ab", Looks::LightsailArn),
        ("us-east-1a", Looks::Zone),
        ("Virginia, Zone A (us-east-1a)", Looks::Zone),
        ("us-west-2-lax-1a", Looks::Zone),
        ("use1-az1", Looks::Zone),
        ("arn:aws:lightsail:eu-central-1:111122223333:KeyPair/x", Looks::LightsailArn),
        ("[\"arn:aws-us-gov:lightsail:us-gov-west-1:111122223333:KeyPair/x\"]", Looks::LightsailArn),
        (FINGERPRINT, Looks::Fingerprint),
        ("'3F:9A:1C:77:E2:08:5D:B4:6A:91:C3:0E:F8:25:7B:D6", Looks::Fingerprint),
        ("MD5:89:c5:99:b5:33:48:1c:84:be:da:cb:97:45:b0:4a:ee", Looks::Fingerprint),
        ("SHA256:ENShRe/0uDLSw9c+7tc9PxkDp4blyBDTgBSIyTAJYaa", Looks::Fingerprint),
        ("2048 SHA256:ENShRe/0uDLSw9c+7tc9PxkDp4blyBDTgBSIyTAJYaa ci (RSA)", Looks::Fingerprint),
        ("b8026ed14f97a35c20ee710bc9863dfa1267549e", Looks::Fingerprint),
    ] {
        assert_eq!(looks_like("x", value), Some(expected), "{value}");
    }
}

#[test]
fn values_that_look_like_guards_where_the_name_hints_at_it() {
    for (header, value, expected) in [
        ("Location", "Frankfurt", Looks::Region),
        ("Location", "Amazon.Lightsail.Model.ResourceLocation", Looks::Region),
        ("zone", "xx-new-area-1", Looks::Region),
        ("AWS Account ID", "111122223333", Looks::AccountId),
        ("account", "1111-2222-3333", Looks::AccountId),
        ("account", "1.11122E+11", Looks::AccountId),
        ("creation_date", "8/14/2019 10:30:00 AM", Looks::Time),
        ("created", "1714566600", Looks::Time),
        ("fingerprnt", "aa:bb", Looks::Fingerprint),
        ("resource_arn", "arn:aws:ec2:us-east-1:111122223333:key-pair/x", Looks::Arn),
    ] {
        assert_eq!(looks_like(header, value), Some(expected), "{header}: {value}");
    }
}

#[test]
fn annotations_are_left_alone() {
    for (header, value) in [
        ("note", "moved from us-east-1 to eu-central-1"),
        ("note", "see 3f:9a"),
        ("topic", "arn:aws:sns:us-east-1:111122223333:t"),
        ("stack", "infra/eu-central-1/prod"),
        ("page", "https://wiki.example/eu-central-1"),
        ("bucket", "https://s3.eu-central-1.amazonaws.com/b"),
        ("note", "see eu-central-1/old for it"),
        ("note", "(none)"),
        ("host", "web-prod-1"),
        ("host", "ci-runner-2019"),
        ("office", "Frankfurt"),
        ("phone", "111122223333"),
        ("mac", "3f:9a:1c:77:e2:08"),
        ("commit", "b8026ed14f97a35c20ee710bc9863dfa1267549e"),
        ("requestId", "b8026ed14f97a35c20ee710bc9863dfa"),
        ("uuid", "05859e3d-331d-48ba-9034-0123456789ab"),
        ("location.availabilityZone", "all"),
        ("note", "{see: ticket}"),
        ("pair", "KeyPair/of-amelie"),
        ("supportCode", "621200000000/runner-01"),
        ("role", "arn:aws:iam::111122223333:role/x"),
        ("TIMESTAMP", "2026-11-12 07:28:08.338160"),
        ("created_by", "amelie"),
        ("account", "production"),
        ("digest", ""),
        ("größe", "groß"),
    ] {
        assert_eq!(looks_like(header, value), None, "{header}: {value}");
    }
}
