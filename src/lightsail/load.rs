//! How the adapter gets its configuration: for the service from the machine's settings, as the AWS CLI would; for a
//! rehearsal from nothing, so that no file, variable, proxy or certificate of the machine affects it.

use std::error::Error as StdError;
use std::time::Duration;

use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_sdk_lightsail::config::{Credentials, IdentityCache, SharedCredentialsProvider};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::app_name::AppName;
use aws_types::origin::Origin;
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::sdk_ua_metadata::FrameworkMetadata;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use super::address::{Address, AddressSettings, refused};
use super::aws::AwsLightsail;
use super::capture::AddressProbe;
use super::config_error::AwsConfigError;
use super::credentials::{ConfiguredRole, Signing, locate};
use super::http::{client, rehearsing};
use super::service::Service;
use super::trust::{Bundle, BundleError, bundle};
use super::variables::Variables;
use crate::domain::RunId;

/// How long connecting may take. Well above a healthy handshake, well below any attempt's timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);

/// How to reach the service.
#[derive(Debug, Clone)]
pub struct AwsOptions {
    /// The profile to use instead of the environment's.
    pub profile: Option<String>,
    /// The role to assume with the credentials, if any.
    pub role: Option<ConfiguredRole>,
    /// The region to use if a request names none (STS), instead of the configuration's.
    pub region: Option<String>,
    /// An address to use instead of the service's own.
    pub endpoint_url: Option<String>,
    /// How long one attempt may take, connecting included.
    pub attempt_timeout: Duration,
    /// Goes into the User-Agent as `app/keybatch-<run>`, so that CloudTrail can name the run even if the answer
    /// was lost.
    pub run: Option<RunId>,
    /// The variables that decide where requests go and which certificates they trust.
    pub variables: Variables,
}

/// A region that is configured, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredRegion {
    /// The region, as it is written.
    pub region: String,
    /// The setting.
    pub setting: String,
}

/// The region that variables or the profile name. Sends nothing.
pub async fn configured_region(profile: Option<&str>, variables: &Variables) -> Option<ConfiguredRegion> {
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        if let Some(region) = variables.get(name) {
            return Some(ConfiguredRegion { region: region.to_owned(), setting: name.to_owned() });
        }
    }
    let mut provider = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        provider = provider.profile_name(profile);
    }
    let region = provider.build().region().await?.to_string();
    let profile = profile.or_else(|| variables.get("AWS_PROFILE")).unwrap_or("default");
    Some(ConfiguredRegion { region, setting: format!("region of the profile {profile}") })
        .filter(|found| !found.region.is_empty())
}

/// The region of the instance that this runs on. Asks its metadata service, which takes seconds if there is none.
///
/// # Errors
/// If the certificates to trust cannot be used.
pub async fn metadata_region(options: &AwsOptions) -> Result<Option<String>, AwsConfigError> {
    let settings = settings(options).await;
    let client = client(trusted(&settings)?.as_ref());
    let config = ProviderConfig::without_region().with_http_client(client);
    let provider = ImdsRegionProvider::builder().configure(&config).build();
    Ok(provider.region().await.map(|region| region.to_string()))
}

/// The certificates that are trusted instead of the system's, if any.
///
/// # Errors
/// If they cannot be used.
pub async fn trusted_bundle(options: &AwsOptions) -> Result<Option<Bundle>, AwsConfigError> {
    Ok(trusted(&settings(options).await)?)
}

fn trusted(settings: &AddressSettings) -> Result<Option<Bundle>, BundleError> {
    bundle(&settings.variables, settings.of_profile("ca_bundle"))
}

async fn settings(options: &AwsOptions) -> AddressSettings {
    let profile = options.profile.clone().map(Into::into);
    let profile = aws_config::profile::load(&Fs::real(), &Env::real(), &EnvConfigFiles::default(), profile).await.ok();
    AddressSettings { variables: options.variables.clone(), profile, endpoint_url: options.endpoint_url.clone() }
}

fn timeouts(attempt_timeout: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(attempt_timeout))
        .operation_attempt_timeout(attempt_timeout)
        .build()
}

fn app_name(run: Option<RunId>) -> Option<AppName> {
    run.and_then(|run| AppName::new(format!("keybatch-{run}")).ok())
}

/// The user's own application id. `app/` belongs to the run, so the id stands beside it, as `lib/app-id/…`.
fn user_app_id(settings: &AddressSettings) -> Option<FrameworkMetadata> {
    let of_profile = || settings.of_profile("sdk_ua_app_id").or_else(|| settings.of_profile("sdk-ua-app-id"));
    let id = settings.variables.get("AWS_SDK_UA_APP_ID").map(str::to_owned);
    FrameworkMetadata::new("app-id", Some(id.or_else(|| of_profile().map(|(_, id)| id))?)).ok()
}

impl AwsLightsail {
    /// Loads the configuration as the AWS CLI would, and decides where credentials come from, without obtaining them yet.
    /// It does not ask the instance's metadata service for a region.
    ///
    /// # Errors
    /// If the certificates to trust cannot be used.
    pub async fn load(options: &AwsOptions) -> Result<Self, AwsConfigError> {
        let located = locate(options.profile.as_deref()).await;
        let signing = Signing::new(match &options.role {
            Some(role) => located.map(|located| located.assuming(role.clone())),
            None => located,
        });
        let settings = settings(options).await;
        let region = match &options.region {
            Some(region) => Some(region.clone()),
            None => configured_region(options.profile.as_deref(), &options.variables).await.map(|found| found.region),
        };
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client(trusted(&settings)?.as_ref()))
            .retry_config(RetryConfig::disabled())
            // Every attempt has a timeout that covers the whole answer, so nothing can stall for longer.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(timeouts(options.attempt_timeout))
            .region(region.map(Region::new))
            // They are held for all requests; the SDK's cache would renew them during an attempt.
            .identity_cache(IdentityCache::no_cache())
            .credentials_provider(signing.provider());
        if let Some(profile) = &options.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(url) = &options.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(name) = app_name(options.run) {
            loader = loader.app_name(name);
        }
        if let (Some(_), Some(id)) = (options.run, user_app_id(&settings)) {
            loader = loader.framework_metadata(id);
        }
        Ok(Self::made_of(loader.load().await, settings).signing(signing))
    }

    /// For a rehearsal in the sandbox at `url`, in an account of its world. Reads nothing of the machine's settings.
    #[must_use]
    pub fn rehearsal(
        url: &str,
        (account, region): (Option<&str>, &str),
        attempt_timeout: Duration,
        run: RunId,
    ) -> Self {
        let access_key = format!("SANDBOX{}", account.unwrap_or_default());
        let credentials = Credentials::new(access_key, "none", None, None, "sandbox");
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(rehearsing())
            .region(Region::new(region.to_owned()))
            .endpoint_url(url)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(timeouts(attempt_timeout));
        config.set_app_name(app_name(Some(run)));
        // Set explicitly, so that it counts for every service.
        config.insert_origin("endpoint_url", Origin::shared_config());
        Self::with(config.build())
    }

    /// The region that the configuration names, if any.
    #[must_use]
    pub fn default_region(&self) -> Option<String> {
        self.config.region().map(ToString::to_string)
    }

    /// The address that requests to `service` for `region` go to. Asks the SDK itself, because variables and profiles can
    /// redirect it; sends nothing, and needs no credentials.
    ///
    /// # Errors
    /// If there is none, or it must not be used: a user or password in it would get into the journal.
    pub async fn address(&self, service: Service, region: &str) -> Result<Address, AwsConfigError> {
        let configured = self.settings.configured(service);
        let setting = configured.as_ref().map(|configured| configured.setting.clone());
        if let Some(error) = configured.as_ref().and_then(refused) {
            return Err(error);
        }
        let url = probe(&self.config, service, region).await.map_err(|reason| {
            let settings = setting.iter().cloned().chain(self.settings.variants()).collect();
            AwsConfigError::NoAddress { service, region: region.to_owned(), reason, settings }
        })?;
        // Whatever the settings that are known here say, the SDK's own resolution decides.
        if url.contains('@') {
            let setting = setting.unwrap_or_else(|| "the AWS configuration".to_owned());
            return Err(AwsConfigError::SecretAddress { setting });
        }
        let mut own = self.config.to_builder().service_config(NoServices);
        own.set_endpoint_url(None);
        let own = probe(&own.build(), service, region).await.ok();
        Ok(Address { service, url, own, setting: self.settings.leading(service) })
    }
}

/// Of a configuration that redirects no service.
#[derive(Debug)]
struct NoServices;

impl LoadServiceConfig for NoServices {
    fn load_config(&self, _key: ServiceConfigKey<'_>) -> Option<String> {
        None
    }
}

/// The innermost source of an error: the SDK's own reason, without the layers around it.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Scheme and authority that requests to `service` would go to; else the SDK's reason.
async fn probe(config: &SdkConfig, service: Service, region: &str) -> Result<String, String> {
    // The call is stopped before it is signed; the credentials are a placeholder.
    let nobody = SharedCredentialsProvider::new(Credentials::new("nobody", "none", None, None, "address"));
    let mut config = config.to_builder().region(Region::new(region.to_owned())).credentials_provider(nobody);
    config.set_identity_cache(Some(IdentityCache::no_cache()));
    let config = config.build();
    let probe = AddressProbe::default();
    let failed = match service {
        Service::Lightsail => {
            let client = aws_sdk_lightsail::Client::new(&config);
            client
                .get_key_pairs()
                .customize()
                .interceptor(probe.clone())
                .send()
                .await
                .map_err(|error| innermost(&error))
                .err()
        }
        Service::Sts => {
            let client = aws_sdk_sts::Client::new(&config);
            let call = client.get_caller_identity().customize();
            call.interceptor(probe.clone()).send().await.map_err(|error| innermost(&error)).err()
        }
    };
    probe.origin().ok_or_else(|| failed.unwrap_or_default())
}
