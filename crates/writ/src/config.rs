//! What this process was told: by flags, by the environment, by `writ.toml`; in this order of strength.
//! The only reader of the environment and of the system's time zone. It decides nothing else.
//!
//! Always: a value that cannot be understood stops the start with the name of its source; it is never guessed.

use crate::identity::handover::DevicePolicy;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Every variable that Writ reads, with what it is for. `writ --help` and the operator's page list the same.
pub const VARIABLES: &[(&str, &str)] = &[
    ("WRIT_SERVER", "the server that commands talk to, such as https://writ.example.org"),
    ("WRIT_CA", "a PEM file with the certificate authority of that server, when it is your own"),
    ("WRIT_TOKEN", "an access token to use instead of a session; for programs"),
    ("WRIT_PASSWORD", "the password for `writ login` when input is not a terminal"),
    ("WRIT_CODE", "the single-use code for `writ login --enrol` when input is not a terminal"),
    ("WRIT_OTP", "the one-time code for `writ login` and `writ activate` when input is not a terminal"),
    ("WRIT_CONFIG", "the server's writ.toml"),
    ("WRIT_DATA", "the server's data directory"),
    ("WRIT_LISTEN", "the address the server listens on"),
    ("WRIT_URL", "the address under which clients reach the server"),
    ("WRIT_TLS_CERT", "a PEM file with the server's certificate chain"),
    ("WRIT_TLS_KEY", "a PEM file with the server's private key"),
    ("WRIT_LOG", "which messages the server writes, such as info or writ=debug"),
    ("XDG_STATE_HOME", "where the session file lives; ~/.local/state if absent"),
    ("HOME", "the home directory"),
    ("TZ", "the zone in which times are shown; the system's if absent"),
    ("NO_COLOR", "set to anything: no colours"),
    ("TERM", "`dumb` means no colours"),
    ("COLUMNS", "the width of tables"),
];

/// Where a data directory is when nobody says.
const DATA: &str = "/var/lib/writ";
/// Where the server listens when nobody says: reachable from this machine only.
const LISTEN: &str = "127.0.0.1:8443";

/// Why the configuration cannot be used; one sentence that names the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong(pub String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Wrong {}

/// The environment as it was when the process began; only the variables in [`VARIABLES`].
#[derive(Clone, Default)]
pub struct Environment {
    vars: BTreeMap<&'static str, String>,
}

impl Environment {
    /// Reads the process's environment, once. A value that is not UTF-8 counts as absent.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn read() -> Self {
        let vars = VARIABLES.iter().filter_map(|(name, _)| Some((*name, std::env::var(name).ok()?)));
        Self { vars: vars.filter(|(_, value)| !value.is_empty()).collect() }
    }

    /// An environment with these variables only; for tests and for the demo.
    pub fn of(vars: &[(&'static str, &str)]) -> Self {
        Self { vars: vars.iter().map(|(name, value)| (*name, (*value).to_owned())).collect() }
    }

    /// A variable's value; absent when unset or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(VARIABLES.iter().any(|(known, _)| *known == name), "{name} is not in VARIABLES");
        self.vars.get(name).map(String::as_str)
    }

    /// The directory for what Writ remembers about this user between commands.
    pub fn state_dir(&self) -> Result<PathBuf, Wrong> {
        if let Some(dir) = self.get("XDG_STATE_HOME").filter(|dir| dir.starts_with('/')) {
            return Ok(Path::new(dir).join("writ"));
        }
        match self.get("HOME").filter(|dir| dir.starts_with('/')) {
            Some(home) => Ok(Path::new(home).join(".local/state/writ")),
            None => Err(Wrong("neither XDG_STATE_HOME nor HOME says where the session file can live".into())),
        }
    }

    /// The reader's time zone: `TZ` if it names one, else the system's, else UTC.
    pub fn zone(&self) -> jiff::tz::TimeZone {
        let named = |name: &str| jiff::tz::TimeZone::get(name).ok();
        if let Some(name) = self.get("TZ") {
            return named(name.trim_start_matches(':')).unwrap_or(jiff::tz::TimeZone::UTC);
        }
        let link = std::fs::read_link("/etc/localtime").ok();
        let link = link.as_deref().and_then(Path::to_str);
        let name = link.and_then(|path| path.split_once("zoneinfo/")).map(|(_, name)| name.to_owned());
        let name = name.or_else(|| Some(std::fs::read_to_string("/etc/timezone").ok()?.trim().to_owned()));
        name.as_deref().and_then(named).unwrap_or(jiff::tz::TimeZone::UTC)
    }
}

impl fmt::Debug for Environment {
    /// Names only: values can be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.vars.keys()).finish()
    }
}

/// What the server's flags said; each is stronger than the environment, which is stronger than the file.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The file; else `WRIT_CONFIG`, else `writ.toml` in the data directory if there is one.
    pub config: Option<PathBuf>,
    /// The data directory.
    pub data: Option<PathBuf>,
    /// The address to listen on.
    pub listen: Option<String>,
    /// The address clients use.
    pub url: Option<String>,
    /// The certificate chain, PEM.
    pub tls_cert: Option<PathBuf>,
    /// The private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// A proxy in front ends TLS, so that plain HTTP on this address is intended.
    pub behind_proxy: bool,
    /// From where device codes may be confirmed.
    pub device_codes: Option<String>,
}

/// `writ.toml`. An unknown key is an error: a misspelt setting must not be silently without effect.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    listen: Option<String>,
    url: Option<String>,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    behind_proxy: bool,
    device_codes: Option<String>,
    log: Option<String>,
    tls: Option<FileTls>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTls {
    cert: PathBuf,
    key: PathBuf,
}

/// Where the server's certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain, PEM, leaf first.
    pub cert: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// What the server runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// One directory per tenant in it.
    pub data: PathBuf,
    /// The address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// How clients reach it; `None` means: as it listens.
    pub url: Option<String>,
    /// Audiences accepted in access tokens beside the server's own address.
    pub audiences: Vec<String>,
    /// TLS, if the server ends it itself.
    pub tls: Option<Tls>,
    /// A proxy in front ends TLS and says in `X-Forwarded-For` where requests come from.
    pub behind_proxy: bool,
    /// From where programs without a browser may be signed in for.
    pub device_codes: DevicePolicy,
    /// Filter for the server's messages.
    pub log: String,
}

impl Settings {
    /// Puts flags, environment and file together.
    ///
    /// # Errors
    /// A file that cannot be read or understood, an address that is none, half a TLS pair, or plain HTTP on an
    /// address that others can reach.
    pub fn gather(flags: &Flags, env: &Environment) -> Result<Self, Wrong> {
        let var = |name: &str| env.get(name).map(str::to_owned);
        let path = |name: &str| env.get(name).map(PathBuf::from);
        let data = flags.data.clone().or_else(|| path("WRIT_DATA"));
        let named = flags.config.clone().or_else(|| path("WRIT_CONFIG"));
        let file = match named {
            Some(at) => read(&at)?,
            None => {
                let at = data.clone().unwrap_or_else(|| DATA.into()).join("writ.toml");
                if at.exists() { read(&at)? } else { File::default() }
            }
        };
        let listen = flags.listen.clone().or_else(|| var("WRIT_LISTEN")).or(file.listen);
        let listen = address(&listen.unwrap_or_else(|| LISTEN.into()))?;
        let cert = flags.tls_cert.clone().or_else(|| path("WRIT_TLS_CERT"));
        let key = flags.tls_key.clone().or_else(|| path("WRIT_TLS_KEY"));
        let tls = match (cert, key, file.tls) {
            (Some(cert), Some(key), _) => Some(Tls { cert, key }),
            (None, None, given) => given.map(|FileTls { cert, key }| Tls { cert, key }),
            (Some(_), None, _) => {
                return Err(Wrong("a certificate without its key: add --tls-key FILE or WRIT_TLS_KEY".into()));
            }
            (None, Some(_), _) => {
                return Err(Wrong("a key without its certificate: add --tls-cert FILE or WRIT_TLS_CERT".into()));
            }
        };
        let behind_proxy = flags.behind_proxy || file.behind_proxy;
        if tls.is_none() && !listen.ip().is_loopback() && !behind_proxy {
            return Err(Wrong(format!(
                "{listen} can be reached from other machines, and without TLS passwords and tokens would cross the \
                 network readable. Give --tls-cert and --tls-key, or --behind-proxy if a proxy on a trusted path ends \
                 TLS, or listen on 127.0.0.1."
            )));
        }
        let url = flags.url.clone().or_else(|| var("WRIT_URL")).or(file.url);
        Ok(Self {
            data: data.or(file.data).unwrap_or_else(|| DATA.into()),
            listen,
            url: url.map(|url| web_address(&url)).transpose()?,
            audiences: file.audiences,
            tls,
            behind_proxy,
            device_codes: device_codes(flags.device_codes.as_deref().or(file.device_codes.as_deref()))?,
            log: var("WRIT_LOG").or(file.log).unwrap_or_else(|| "info".into()),
        })
    }

    /// The address clients use: what was configured, else the address that was really bound. Bound to every address, it
    /// is told by the one that surely reaches it from here.
    pub fn url_at(&self, bound: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let loopback = match bound {
            SocketAddr::V4(_) => SocketAddr::from(([127, 0, 0, 1], bound.port())),
            SocketAddr::V6(_) => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, bound.port())),
        };
        let shown = if bound.ip().is_unspecified() { loopback } else { bound };
        self.url.clone().unwrap_or_else(|| format!("{scheme}://{shown}"))
    }
}

/// From where device codes may be confirmed; from the device's own network when nobody says.
fn device_codes(text: Option<&str>) -> Result<DevicePolicy, Wrong> {
    match text {
        None | Some("same-network") => Ok(DevicePolicy::SameNetwork),
        Some("anywhere") => Ok(DevicePolicy::Anywhere),
        Some("off") => Ok(DevicePolicy::Off),
        Some(other) => {
            let told = "--device-codes (device_codes in writ.toml) is `same-network`, `anywhere` or `off`";
            Err(Wrong(format!("{told}, not `{other}`")))
        }
    }
}

/// A socket address from text; a port alone means this machine only.
///
/// # Errors
/// When it is neither an address with a port nor a port.
pub fn address(text: &str) -> Result<SocketAddr, Wrong> {
    let form = || Wrong(format!("`{text}` is not an address with a port, such as 127.0.0.1:8443 or [::]:8443"));
    if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    text.replace("localhost", "127.0.0.1").parse().map_err(|_| form())
}

/// An `http(s)://host[:port]` without a trailing slash.
///
/// # Errors
/// When the text has another scheme, a path, or user data.
pub fn web_address(text: &str) -> Result<String, Wrong> {
    let trimmed = text.trim_end_matches('/');
    let rest = trimmed.strip_prefix("https://").or_else(|| trimmed.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ']) => Ok(trimmed.to_owned()),
        _ => Err(Wrong(format!("`{text}` is not a server's address, such as https://writ.example.org"))),
    }
}

fn read(at: &Path) -> Result<File, Wrong> {
    let text = std::fs::read_to_string(at).map_err(|e| Wrong(format!("{} cannot be read: {e}", at.display())))?;
    // toml's message shows the line and what was expected.
    toml::from_str(&text).map_err(|e| Wrong(format!("{} is not right:\n{e}", at.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(flags: Flags, env: &[(&'static str, &str)]) -> Result<Settings, Wrong> {
        Settings::gather(&flags, &Environment::of(env))
    }

    #[test]
    fn flags_beat_the_environment_and_the_environment_beats_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("writ.toml");
        std::fs::write(&file, "data = '/from-file'\nlisten = '127.0.0.1:1'\nurl = 'https://file.example'\n").unwrap();
        let file = file.to_str().unwrap();
        let got = gather(
            Flags { listen: Some("127.0.0.1:3".into()), ..Flags::default() },
            &[("WRIT_CONFIG", file), ("WRIT_LISTEN", "127.0.0.1:2"), ("WRIT_URL", "https://env.example/")],
        );
        let got = got.unwrap();
        assert_eq!(got.listen.port(), 3);
        assert_eq!(got.url.as_deref(), Some("https://env.example"));
        assert_eq!(got.data, Path::new("/from-file"));
    }

    #[test]
    fn a_misspelt_setting_stops_the_start_and_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("writ.toml"), "lissten = '127.0.0.1:1'\n").unwrap();
        let wrong = gather(Flags { data: Some(dir.path().into()), ..Flags::default() }, &[]).unwrap_err();
        assert!(wrong.0.contains("lissten") && wrong.0.contains("writ.toml"), "{wrong}");
    }

    #[test]
    fn plain_http_is_for_this_machine_only_unless_a_proxy_is_named() {
        let flags = Flags { listen: Some("0.0.0.0:8443".into()), ..Flags::default() };
        let wrong = gather(flags.clone(), &[]).unwrap_err();
        assert!(wrong.0.contains("--tls-cert") && wrong.0.contains("--behind-proxy"), "{wrong}");
        assert!(gather(Flags { behind_proxy: true, ..flags }, &[]).is_ok());
    }

    #[test]
    fn device_codes_are_for_their_own_network_until_somebody_says_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("writ.toml");
        std::fs::write(&file, "device_codes = 'off'\n").unwrap();
        let told = |flag: Option<&str>, file: Option<&Path>| {
            let flags =
                Flags { device_codes: flag.map(str::to_owned), config: file.map(Into::into), ..Flags::default() };
            gather(flags, &[]).map(|settings| settings.device_codes)
        };
        assert_eq!(told(None, None), Ok(DevicePolicy::SameNetwork));
        assert_eq!(told(None, Some(&file)), Ok(DevicePolicy::Off));
        assert_eq!(told(Some("anywhere"), Some(&file)), Ok(DevicePolicy::Anywhere));
        let wrong = told(Some("everywhere"), None).unwrap_err();
        assert!(wrong.0.contains("everywhere") && wrong.0.contains("--device-codes"), "{wrong}");
    }

    #[test]
    fn half_a_tls_pair_names_the_other_half() {
        let flags = Flags { tls_cert: Some("/c.pem".into()), ..Flags::default() };
        assert!(gather(flags, &[]).unwrap_err().0.contains("--tls-key"));
    }

    #[test]
    fn addresses_and_web_addresses_are_checked() {
        assert_eq!(address("8443").unwrap().to_string(), "127.0.0.1:8443");
        assert_eq!(address("localhost:1").unwrap().to_string(), "127.0.0.1:1");
        assert!(address("nonsense").is_err());
        for bad in ["ftp://x", "https://", "https://a/b", "https://u@h", "writ.example"] {
            assert!(web_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_on_every_address_is_told_by_one_that_can_be_called() {
        let settings =
            gather(Flags { listen: Some("0.0.0.0:443".into()), behind_proxy: true, ..Flags::default() }, &[]);
        let settings = settings.unwrap();
        assert_eq!(settings.url_at("0.0.0.0:8443".parse().unwrap()), "http://127.0.0.1:8443");
        assert_eq!(settings.url_at("[::]:8443".parse().unwrap()), "http://[::1]:8443");
        assert_eq!(settings.url_at("10.0.0.7:8443".parse().unwrap()), "http://10.0.0.7:8443");
    }

    #[test]
    fn values_of_variables_never_reach_debug_output() {
        let env = Environment::of(&[("WRIT_PASSWORD", "correct horse")]);
        assert!(!format!("{env:?}").contains("horse"));
    }
}
