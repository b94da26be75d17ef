//! A bucket of Amazon S3, or of another store that speaks its protocol.

mod reason;

use std::fs;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    ClientOptions, Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, RetryConfig, UpdateVersion,
};
use tokio::runtime::{Builder, Runtime};

use super::{Lock, Object, Store, StoreError, Version};
use crate::settings::Settings;

/// How many times the time limit of a request a list may take: it consists of many requests.
const LIST_PAGES: u32 = 100;

/// The objects of a bucket whose names begin with a prefix.
pub struct Bucket {
    settings: Settings,
    bucket: String,
    prefix: String,
    runtime: Runtime,
    /// The client. None: it is made for the next request, from the credentials as they are then.
    client: Mutex<Option<Arc<AmazonS3>>>,
}

impl Bucket {
    /// The objects of `bucket` whose names begin with `prefix`.
    ///
    /// # Errors
    /// When the system denies what the client needs.
    pub fn new(settings: &Settings, bucket: String, prefix: String) -> Result<Bucket, StoreError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| StoreError {
            doing: "reach",
            name: format!("s3://{bucket}"),
            reason: error.to_string(),
        })?;
        Ok(Bucket { settings: settings.clone(), bucket, prefix, runtime, client: Mutex::new(None) })
    }

    /// Does one thing, within the time limit. A list may take `LIST_PAGES` times as long, as it has many pages.
    fn ask<T, F>(
        &self,
        doing: &'static str,
        name: &str,
        request: impl FnOnce(Arc<AmazonS3>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let failed = |reason: String| StoreError { doing, name: self.url(name), reason };
        let client = self.client().map_err(failed)?;
        let limit = if doing == "list" { self.settings.timeout * LIST_PAGES } else { self.settings.timeout };
        let answer = self.runtime.block_on(async { tokio::time::timeout(limit, request(client)).await });
        let error = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => words(&error),
            Err(_) => format!("no answer within {} s", limit.as_secs()),
        };
        // The next request is made with the credentials as they are by then.
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Err(failed(error))
    }

    fn client(&self) -> Result<Arc<AmazonS3>, String> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let made = Arc::new(self.builder()?.build().map_err(|error| words(&error))?);
        Ok(client.insert(made).clone())
    }

    fn builder(&self) -> Result<AmazonS3Builder, String> {
        let timeout = self.settings.timeout;
        let options =
            ClientOptions::new().with_timeout(timeout).with_connect_timeout(timeout.min(Duration::from_secs(5)));
        // The archiver repeats what failed, for ever, and shows the reason: here only a short interruption is passed over.
        let retry = RetryConfig { max_retries: 1, retry_timeout: timeout, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&self.bucket)
            .with_region(&self.settings.region)
            .with_client_options(options)
            .with_retry(retry);
        if let Some(endpoint) = &self.settings.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        match &self.settings.credentials {
            None => Ok(builder),
            Some(file) => with_credentials(builder, file),
        }
    }

    fn path(&self, name: &str) -> Result<Path, Error> {
        let name = if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) };
        Ok(Path::parse(name.trim_end_matches('/'))?)
    }

    fn url(&self, name: &str) -> String {
        let prefix = if self.prefix.is_empty() { String::new() } else { format!("{}/", self.prefix) };
        format!("s3://{}/{prefix}{name}", self.bucket)
    }
}

/// Takes the keys from a file in the form of `~/.aws/credentials`, whatever its sections are called.
fn with_credentials(mut builder: AmazonS3Builder, file: &FilePath) -> Result<AmazonS3Builder, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("credentials in {}: {error}", file.display()))?;
    let value = |key: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
    };
    let need = |key: &str| value(key).ok_or_else(|| format!("credentials in {}: no line `{key} = …`", file.display()));
    builder =
        builder.with_access_key_id(need("aws_access_key_id")?).with_secret_access_key(need("aws_secret_access_key")?);
    Ok(match value("aws_session_token") {
        Some(token) => builder.with_token(token),
        None => builder,
    })
}

/// The causes of an error in one line, the same for each attempt.
fn words(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = error.source();
    }
    reason::plain(&words.split_whitespace().collect::<Vec<_>>().join(" "))
}

impl Store for Bucket {
    fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        Ok(self.versions(prefix)?.into_iter().map(|(object, _)| object).collect())
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.ask("write", name, |client| async move {
            client.put(&self.path(name)?, bytes.into()).await?;
            Ok(())
        })
    }

    fn get(&self, name: &str) -> Result<Bytes, StoreError> {
        self.ask("read", name, |client| async move { client.get(&self.path(name)?).await?.bytes().await })
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.ask("remove", name, |client| async move {
            match client.delete(&self.path(name)?).await {
                Err(Error::NotFound { .. }) => Ok(()),
                other => other,
            }
        })
    }

    fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>, StoreError> {
        self.ask("read", name, |client| async move {
            let found = match client.get(&self.path(name)?).await {
                Err(Error::NotFound { .. }) => return Ok(None),
                other => other?,
            };
            let version = version(found.meta.e_tag.as_deref());
            Ok(Some((found.bytes().await?, version)))
        })
    }

    fn versions(&self, prefix: &str) -> Result<Vec<(Object, Version)>, StoreError> {
        use futures_util::TryStreamExt as _;
        let skipped = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        self.ask("list", prefix, |client| async move {
            let place = self.path(prefix)?;
            let objects = client.list(Some(&place).filter(|place| !place.as_ref().is_empty()));
            let objects = objects.map_ok(|object| {
                let name = object.location.as_ref().get(skipped..).unwrap_or_default().to_owned();
                (Object { name, bytes: object.size }, version(object.e_tag.as_deref()))
            });
            objects.try_collect().await
        })
    }

    fn replace(&self, name: &str, bytes: Bytes, expected: &Version) -> Result<bool, StoreError> {
        self.ask("write", name, |client| async move {
            let path = self.path(name)?;
            let tag = UpdateVersion { e_tag: Some(format!("\"{}\"", expected.0)), version: None };
            let condition = PutOptions::from(PutMode::Update(tag));
            match client.put_opts(&path, bytes.clone().into(), condition).await {
                Ok(_) => return Ok(true),
                Err(Error::Precondition { .. } | Error::NotFound { .. }) => return Ok(false),
                Err(error) if !is_unconditional(&error) => return Err(error),
                Err(_) => {}
            }
            match client.head(&path).await {
                Ok(now) if version(now.e_tag.as_deref()) == *expected => {
                    client.put(&path, bytes.into()).await.map(|_| true)
                }
                Ok(_) | Err(Error::NotFound { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    fn lock(&self) -> Result<Lock, StoreError> {
        Ok(Lock::none())
    }
}

/// The version that a store states. Stores differ in the quotes around it.
fn version(tag: Option<&str>) -> Version {
    Version(tag.unwrap_or_default().replace('"', ""))
}

/// Whether a store has no conditional writes. There, the version is compared just before the write.
fn is_unconditional(error: &Error) -> bool {
    matches!(error, Error::NotImplemented { .. }) || words(error).contains("NotImplemented")
}
