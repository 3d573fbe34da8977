//! Service files, which the driver does not read: named sets of parameters, passwords among them.

use std::path::PathBuf;

use super::params::{Env, Params};

/// The parameters of the service `name`, from PGSERVICEFILE or ~/.pg_service.conf, else from the system's file.
pub(super) fn parameters(name: &str, env: Env<'_>) -> Result<Params, String> {
    let own = env("PGSERVICEFILE").map(PathBuf::from);
    let own = own.or_else(|| Some(PathBuf::from(env("HOME")?).join(".pg_service.conf")));
    let systems = env("PGSYSCONFDIR").unwrap_or_else(|| "/etc/postgresql-common".into());
    let mut looked = Vec::new();
    for path in own.into_iter().chain([PathBuf::from(systems).join("pg_service.conf")]) {
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                if let Some(params) = find(&text, name).map_err(|reason| format!("{}: {reason}", path.display()))? {
                    return Ok(params);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("the service file {} cannot be read: {error}", path.display())),
        }
        looked.push(path.display().to_string());
    }
    Err(format!("there is no service {name} in {}", looked.join(" or ")))
}

/// The section of a service; `None` if there is none.
fn find(text: &str, name: &str) -> Result<Option<Params>, String> {
    let mut found: Option<Params> = None;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            if found.is_some() {
                break;
            }
            found = (section == name).then(Params::default);
            continue;
        }
        let Some(params) = &mut found else { continue };
        if line.starts_with("ldap") {
            return Err(format!("line {number} asks for LDAP, which keybatch does not support"));
        }
        let (key, value) = line.split_once('=').ok_or_else(|| format!("line {number} has no ="))?;
        let key = key.trim();
        if key == "service" {
            return Err(format!("line {number} names a further service, which is not allowed"));
        }
        params.entry(key.to_owned()).or_insert_with(|| value.trim().to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "# services\n[one]\nhost = a\nport=1\n\n[two]\nhost=b\npassword=p=q\nhost=c\n[three]\nservice=one\n";

    #[test]
    fn a_service_is_the_section_of_its_name() {
        let two = find(FILE, "two").unwrap().unwrap();
        assert!(two.into_iter().eq([("host", "b"), ("password", "p=q")].map(|(k, v)| (k.to_owned(), v.to_owned()))));
        assert_eq!(find(FILE, "four").unwrap(), None);
        assert!(find(FILE, "three").is_err());
        assert!(find("[a]\nhost\n", "a").unwrap_err().contains("line 2"));
    }

    #[test]
    fn the_own_file_goes_before_the_systems() {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("own.conf");
        std::fs::write(&own, "[one]\nhost=own\n").unwrap();
        std::fs::write(directory.path().join("pg_service.conf"), "[one]\nhost=system\n[two]\nhost=system\n").unwrap();
        let env = |name: &str| match name {
            "PGSERVICEFILE" => Some(own.display().to_string()),
            "PGSYSCONFDIR" => Some(directory.path().display().to_string()),
            _ => None,
        };
        assert_eq!(parameters("one", &env).unwrap()["host"], "own");
        assert_eq!(parameters("two", &env).unwrap()["host"], "system");
        assert!(parameters("three", &env).unwrap_err().contains("own.conf or"));
    }
}
