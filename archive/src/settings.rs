//! `[archive]`: where records go, in which files, and how much of the machine the archiver takes.

use std::path::PathBuf;
use std::time::Duration;

use settings::{Kind, seconds, whole};

settings::choice! {
    /// The format of the files.
    pub enum Format {
        /// Parquet, compressed with zstd.
        Parquet = "parquet",
        /// One JSON object a line, compressed with zstd.
        Json = "jsonl",
    }
}

settings::choice! {
    /// What happens to offsets that neither the archive nor the topic has.
    pub enum Gaps {
        /// Nothing of the partition is read, and the offsets are named.
        Refuse = "refuse",
        /// Reading goes on after them.
        Skip = "skip",
    }
}

impl Format {
    /// What comes after the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Format::Parquet => "parquet",
            Format::Json => "jsonl.zst",
        }
    }

    /// The name of a file without its extension, and the format that the extension stands for.
    pub(crate) fn of_file(name: &str) -> Option<(&str, Format)> {
        [Format::Parquet, Format::Json].into_iter().find_map(|format| {
            let stem = name.strip_suffix(format.extension())?.strip_suffix('.')?;
            Some((stem, format))
        })
    }
}

/// Where an archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A directory.
    Dir(PathBuf),
    /// A bucket, and the beginning of all names in it: empty, or without a slash at its ends.
    Bucket {
        /// The bucket.
        bucket: String,
        /// The beginning of all names.
        prefix: String,
    },
}

impl Target {
    /// Reads the setting `archive.to`; none if it is neither a directory nor a bucket.
    #[must_use]
    pub fn parse(text: &str) -> Option<Target> {
        let Some(place) = text.strip_prefix("s3://") else {
            return (!text.is_empty() && !is_address(text)).then(|| Target::Dir(text.into()));
        };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = prefix.trim_matches('/').to_owned();
        let is_bucket = (3..=63).contains(&bucket.len())
            && bucket.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte));
        let is_prefix = prefix.is_empty() || prefix.split('/').all(|part| !["", ".", ".."].contains(&part));
        (is_bucket && is_prefix).then(|| Target::Bucket { bucket: bucket.to_owned(), prefix })
    }
}

/// Whether a text begins as an address does, also one that lacks a slash, such as `s3:/shop`.
fn is_address(text: &str) -> bool {
    let scheme = text.split_once(":/").map_or("", |(scheme, _)| scheme);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

const TARGET: Kind = Kind::Text {
    allowed: "a directory, or s3://BUCKET/PREFIX with 3 to 63 of a-z, 0-9, `.` and `-` in BUCKET and no empty part, `.` or `..` in PREFIX, or \"\" for none",
    takes: |text| text.is_empty() || Target::parse(text).is_some(),
};
const ENDPOINT: Kind = Kind::Text {
    allowed: "an address such as https://storage.example.com:9000, or \"\" for Amazon's own",
    takes: |text| text.is_empty() || text.starts_with("https://") || text.starts_with("http://"),
};
const REGION: Kind = Kind::Text { allowed: "a region such as eu-central-1", takes: |text| !text.trim().is_empty() };
const TOPICS: Kind = Kind::List {
    allowed: "names of topics that Vitrine reads, or [] for all of them",
    takes: |topics| topics.iter().all(|topic| !topic.is_empty()),
};

settings::section! {
    /// The archive: every record of the topics, as it came, in files for analysis, training and replay. docs/archive.md
    /// explains it. Without `to` there is no archive.
    pub struct Settings in "archive" {
        /// Directory of the archive, or s3://BUCKET/PREFIX. "": no archive.
        to: Option<String> = "", "directory or URL", TARGET;
        /// Topics to archive; with [files], names of files with events. []: all that Vitrine reads.
        topics: Vec<String> = [], "topics", TOPICS;
        /// Format of new files. Files of the other format are read as well.
        format: Format = "parquet", "word", Kind::Choice(Format::WORDS);
        /// Size at which a file is closed. A file also ends with its hour and its age.
        file_bytes_max as "file_max": usize = 67_108_864, "bytes", whole(65_536, 1 << 30);
        /// Age at which a file is closed: the time from its first record to the moment it is durable.
        age_max as "age_max_s": Duration = 300, "s", whole(1, 86_400) => seconds;
        /// Limit of the memory for files that are not written yet. At the limit, the largest is closed early.
        memory_bytes_max as "memory_max": usize = 268_435_456, "bytes", whole(1 << 20, 64 << 30);
        /// Limit of the bytes of records that are read per second. 0: no limit.
        rate_mb_max as "mb_per_s_max": u64 = 50, "MB/s", whole(0, 100_000);
        /// Time limit of one request to the object store. After it, the request is made again.
        timeout as "timeout_s": Duration = 60, "s", whole(1, 3600) => seconds;
        /// Offsets that neither the archive nor the topic has, at a first start or in a replay: the partition is not read
        /// and the offsets are named, or they are skipped.
        gaps: Gaps = "refuse", "word", Kind::Choice(Gaps::WORDS);
        /// Address of an object store that speaks S3. "": Amazon's own.
        endpoint: Option<String> = "", "URL", ENDPOINT;
        /// Region of the bucket.
        region: String = "us-east-1", "region", REGION;
        /// File with lines `aws_access_key_id = …`, `aws_secret_access_key = …` and `aws_session_token = …`. It is read
        /// again after each refused request, so that keys can be replaced without a restart. "": the variables AWS_* of
        /// the environment, or the role of the machine.
        credentials: Option<PathBuf> = "", "file", Kind::Path { empty: true };
    }
}

impl Settings {
    /// Where the archive is; none if there is none.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        self.to.as_deref().and_then(Target::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_directory_or_a_bucket() {
        let bucket = |bucket: &str, prefix: &str| Target::Bucket { bucket: bucket.into(), prefix: prefix.into() };
        assert_eq!(Target::parse("/var/archive"), Some(Target::Dir("/var/archive".into())));
        assert_eq!(Target::parse("s3://shop"), Some(bucket("shop", "")));
        assert_eq!(Target::parse("s3://shop/a/b/"), Some(bucket("shop", "a/b")));
        for wrong in [
            "",
            "s3://",
            "s3://a",
            "s3://shop/a//b",
            "s3://shop/../b",
            "gs://shop",
            "s3://Shop/a",
            "s3:/shop/a",
            "gs:/a",
        ] {
            assert_eq!(Target::parse(wrong), None, "{wrong}");
        }
        for dir in ["./s3:/shop", "/a:/b", "a/b:/c", "a:b"] {
            assert_eq!(Target::parse(dir), Some(Target::Dir(dir.into())), "{dir}");
        }
        assert!(Settings::default().target().is_none());
    }
}
