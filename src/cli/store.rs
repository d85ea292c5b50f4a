//! Files by their SHA-256: what was fetched once, checked, and need not be fetched again.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rustix::fs::{FlockOperation, OFlags, flock};
use sha2::Digest;
use ureq::config::RedirectAuthHeaders;
use ureq::http::Response;
use ureq::typestate::WithoutBody;
use ureq::{RequestBuilder, ResponseExt as _};

use super::report;
use super::target::Target;
use crate::cluster::{Sha256, Url};
use crate::diagnostic::Problem;

/// A folder of files that are named by what is in them. One process fetches into it at a time.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    agent: ureq::Agent,
    /// How long a server may take for [`LEAST`] bytes.
    patience: Duration,
    /// Held as long as this is.
    _lock: File,
}

/// A file to fetch.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// What people call it.
    pub what: String,
    /// What it must be.
    pub sha256: &'a Sha256,
    /// Length in bytes.
    pub size: u64,
    /// Where it is.
    pub url: &'a Url,
}

/// After which a file is given up; the next run goes on where it ended.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(3600);
/// Bytes of a file whose length is not pinned: a host takes no larger one either (`templates/host/artifact`).
const LARGEST: u64 = 4 << 30;
/// Fewer bytes within a minute are no progress: 1 kB/s.
const LEAST: u64 = 60_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a file had to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// It was there.
    Before,
    /// It is there now.
    Now,
}

impl Store {
    /// The user's own: `$XDG_CACHE_HOME/genhost`, else `~/.cache/genhost`
    /// (<https://specifications.freedesktop.org/basedir-spec/latest/>).
    ///
    /// # Errors
    /// Neither is known, or it cannot be made.
    pub fn of_user() -> Result<Self, Problem> {
        let of = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")));
        Self::open(&cache.ok_or(Problem::NoCache)?.join("genhost"))
    }

    /// Opens a folder, which is made where there is none; waits for another genhost that fetches into it.
    ///
    /// # Errors
    /// It cannot be made or written to.
    pub fn open(folder: &Path) -> Result<Self, Problem> {
        let error = |error: std::io::Error| unwritable(folder, &error);
        let folder = &Target::make_folder(folder)?;
        let lock = File::open(folder).map_err(error)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            report::line(&format!("waiting for another genhost that downloads to `{}`", folder.display()));
            flock(&lock, FlockOperation::LockExclusive).map_err(|errno| error(errno.into()))?;
        }
        let agent = ureq::Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_recv_body(Some(LONGEST_DOWNLOAD))
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .build();
        Ok(Self { folder: folder.to_owned(), agent: agent.into(), patience: PATIENCE, _lock: lock })
    }

    /// Where the file of this hash is, or would be.
    pub fn path(&self, sha256: &Sha256) -> PathBuf {
        self.folder.join(sha256.as_str())
    }

    /// Whether it is there, whole: a file that rotted is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn holds(&self, sha256: &Sha256) -> Result<bool, Problem> {
        let path = self.path(sha256);
        Ok(path.is_file() && hash_of(&path)?.0 == *sha256)
    }

    /// Sees to it that a file is there, from the first of its urls that has it. What an earlier run has of it is kept.
    /// No more than `size` bytes are fetched, where that is known.
    ///
    /// # Errors
    /// No url has it, or those that answer have something else.
    pub fn fetch(
        &self,
        what: &str,
        sha256: &Sha256,
        size: Option<u64>,
        urls: &[Url],
        bar: &ProgressBar,
    ) -> Result<Fetched, Problem> {
        if self.holds(sha256)? {
            return Ok(Fetched::Before);
        }
        let most = size.unwrap_or(LARGEST);
        let part = self.folder.join(format!(".{sha256}.part"));
        let mut reasons = Vec::new();
        let mut lie = None;
        for url in urls {
            let goes_on = part.exists();
            if let Err(reason) = self.download(url, &part, most, bar) {
                reasons.push(format!("{url}: {reason}"));
                continue;
            }
            let mut found = hash_of(&part)?.0;
            if found != *sha256 && goes_on {
                // What was there may have been half of another file, and the url's is as good as ever.
                let _ = std::fs::remove_file(&part);
                if let Err(reason) = self.download(url, &part, most, bar) {
                    reasons.push(format!("{url}: {reason}"));
                    continue;
                }
                found = hash_of(&part)?.0;
            }
            if found == *sha256 {
                std::fs::rename(&part, self.path(sha256)).map_err(|error| unwritable(&part, &error))?;
                return Ok(Fetched::Now);
            }
            // Half of another file is no beginning of this one.
            let _ = std::fs::remove_file(&part);
            let (expected, found) = (sha256.as_str().into(), found.as_str().into());
            lie.get_or_insert(Problem::WrongHash { what: what.to_owned(), url: url.to_string(), expected, found });
        }
        Err(lie.unwrap_or_else(|| Problem::CannotFetch { what: what.to_owned(), reasons: reasons.join("; ") }))
    }

    /// Sees to it that all of these are there.
    ///
    /// # Errors
    /// One cannot be had; what was fetched before it stays.
    pub fn fetch_all(&self, files: &[Wanted]) -> Result<(), Problem> {
        let mut missing = Vec::new();
        for file in files {
            if !self.holds(file.sha256)? {
                missing.push(file);
            }
        }
        let bar = bar(Some(missing.iter().map(|file| file.size).sum()));
        for file in missing {
            bar.set_message(report::visible(&file.what));
            self.fetch(&file.what, file.sha256, Some(file.size), std::slice::from_ref(file.url), &bar)?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Fetches a file whose hash nobody knows, from the first of its urls that has one.
    ///
    /// # Errors
    /// No url has it.
    pub fn pin(&self, what: &str, urls: &[Url], bar: &ProgressBar) -> Result<Sha256, Problem> {
        let part = self.folder.join(".unknown.part");
        let mut reasons = Vec::new();
        for url in urls {
            // Half of a file that nobody knows may be half of another one.
            let _ = std::fs::remove_file(&part);
            match self.download(url, &part, LARGEST, bar) {
                Ok(()) => {
                    let (sha256, _) = hash_of(&part)?;
                    std::fs::rename(&part, self.path(&sha256)).map_err(|error| unwritable(&part, &error))?;
                    return Ok(sha256);
                }
                Err(reason) => reasons.push(format!("{url}: {reason}")),
            }
        }
        Err(Problem::CannotFetch { what: what.to_owned(), reasons: reasons.join("; ") })
    }

    /// Fetches a short text, which nobody keeps.
    ///
    /// # Errors
    /// It is not there, or longer than a megabyte.
    pub fn text(&self, what: &str, url: &Url) -> Result<Vec<u8>, Problem> {
        let text = answer(self.get(url)).and_then(|Answer { response, .. }| match response.status().as_u16() {
            200 => Ok(response.into_body()),
            status => Err(format!("the server says {status}")),
        });
        text.map_err(|reason| Problem::CannotFetch { what: what.to_owned(), reasons: format!("{url}: {reason}") })
    }

    /// A question to a server.
    pub fn get(&self, url: &Url) -> RequestBuilder<WithoutBody> {
        self.agent.get(url.as_str())
    }

    /// Length of a file that is there, in bytes.
    ///
    /// # Errors
    /// It is not there.
    pub fn size(&self, sha256: &Sha256) -> Result<u64, Problem> {
        let path = self.path(sha256);
        std::fs::metadata(&path).map(|file| file.len()).map_err(|error| unreadable(&path, &error))
    }

    /// Fetches a url into a file, from where the file ends. A file that would have more than `most` bytes is emptied.
    fn download(&self, url: &Url, part: &Path, most: u64, bar: &ProgressBar) -> Result<(), String> {
        let text = |error: std::io::Error| error.to_string();
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        // In a folder of somebody else's it could be a link to anything.
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let mut file = options.open(part).map_err(text)?;
        let mut there = file.seek(SeekFrom::End(0)).map_err(text)?;
        let mut request = self.get(url);
        if there > 0 {
            request = request.header("Range", format!("bytes={there}-"));
        }
        let response = request.call().map_err(|error| error.to_string())?;
        match response.status().as_u16() {
            206 if there > 0 => bar.inc(there),
            // There is nothing after what is there: the hash will tell whether it is all.
            416 if there > 0 => return Ok(()),
            200 => {
                file.set_len(0).map_err(text)?;
                there = file.seek(SeekFrom::Start(0)).map_err(text)?;
            }
            status => return Err(format!("the server says {status}")),
        }
        let expected: Option<u64> =
            response.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        let room = most.saturating_sub(there);
        let reader = response.into_body().into_with_config().limit(u64::MAX).reader();
        let (mut got, mut is_too_long) = (0, expected > Some(room));
        let mut pace = Pace::new(read_ahead(reader), self.patience);
        while !is_too_long && let Some(chunk) = pace.next()? {
            got += chunk.len() as u64;
            is_too_long = got > room;
            if !is_too_long {
                file.write_all(&chunk).map_err(text)?;
                bar.inc(chunk.len() as u64);
            }
        }
        if is_too_long {
            file.set_len(0).map_err(text)?;
            return Err(format!("it is longer than {most} bytes"));
        }
        file.sync_all().map_err(text)?;
        match expected {
            Some(expected) if expected > got => Err(format!("broken off after {got} of {expected} bytes")),
            _ => Ok(()),
        }
    }
}

/// Reads in a thread of its own, since a read itself waits for as long as the server likes.
fn read_ahead(mut reader: impl Read + Send + 'static) -> Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = sync_channel(4);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let chunk = match reader.read(&mut buffer) {
                Ok(0) => break,
                read => read.map(|count| buffer[..count].to_vec()),
            };
            let is_last = chunk.is_err();
            if sender.send(chunk).is_err() || is_last {
                break;
            }
        }
    });
    receiver
}

/// What is read, as long as there is progress.
struct Pace {
    chunks: Receiver<std::io::Result<Vec<u8>>>,
    patience: Duration,
    since: Instant,
    bytes: u64,
}

impl Pace {
    fn new(chunks: Receiver<std::io::Result<Vec<u8>>>, patience: Duration) -> Self {
        Self { chunks, patience, since: Instant::now(), bytes: 0 }
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        if self.bytes >= LEAST {
            (self.since, self.bytes) = (Instant::now(), 0);
        }
        let left = self.patience.saturating_sub(self.since.elapsed());
        match self.chunks.recv_timeout(left) {
            Ok(chunk) if !left.is_zero() => {
                let chunk = chunk.map_err(|error| error.to_string())?;
                self.bytes += chunk.len() as u64;
                Ok(Some(chunk))
            }
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            _ => Err(format!("too slow: {} bytes within {} s", self.bytes, self.patience.as_secs())),
        }
    }
}

/// What a server answers.
pub struct Answer {
    /// Who answers, which is another one than was asked where that has sent on to it.
    pub url: Url,
    /// Whatever its status is.
    pub response: Response<Vec<u8>>,
}

/// Asks, or tells why there is no answer. One of more than a megabyte is none.
pub fn answer(question: RequestBuilder<WithoutBody>) -> Result<Answer, String> {
    const LONGEST: u64 = 1 << 20;
    let question = question.config().timeout_recv_body(Some(PATIENCE)).build();
    let response = question.call().map_err(|error| error.to_string())?;
    let url = Url::new(&response.get_uri().to_string()).map_err(|error| error.to_string())?;
    let (head, mut body) = response.into_parts();
    let body = body.with_config().limit(LONGEST).read_to_vec().map_err(|error| error.to_string())?;
    Ok(Answer { url, response: Response::from_parts(head, body) })
}

/// A bar for so many bytes, or for an unknown number; nobody sees it but at a terminal.
pub fn bar(bytes: Option<u64>) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec} {msg}");
    let bar = bytes.map_or_else(ProgressBar::no_length, ProgressBar::new);
    // A template that does not parse is indicatif's own, which is as good.
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A file's hash and length.
pub fn hash_of(path: &Path) -> Result<(Sha256, u64), Problem> {
    let mut hasher = sha2::Sha256::new();
    let length = File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hasher));
    let length = length.map_err(|error| unreadable(path, &error))?;
    Ok((Sha256::from_digest(hasher.finalize().into()), length))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::Unwritable { path: path.display().to_string(), reason: error.to_string() }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::Unreadable { path: path.display().to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server of one answer: this head, and then bytes for ever, or nothing more.
    fn server(head: &'static str, is_endless: bool) -> Url {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/file", socket.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let (mut client, _) = socket.accept().expect("a client");
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(head.as_bytes());
            while is_endless && client.write_all(&[b'x'; 1 << 16]).is_ok() {}
            // It ends when the client goes.
            let _ = client.read(&mut [0; 1]);
        });
        Url::new(&url).expect("a url")
    }

    fn download(url: &Url, most: u64) -> (Result<(), String>, u64) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = Store::open(folder.path()).expect("a store");
        store.patience = Duration::from_secs(1);
        let part = folder.path().join("part");
        let result = store.download(url, &part, most, &ProgressBar::hidden());
        (result, std::fs::metadata(part).expect("a file").len())
    }

    #[test]
    fn a_download_without_an_end_is_given_up() {
        let url = server("HTTP/1.0 200 OK\r\n\r\n", true);
        assert_eq!(download(&url, 1 << 20), (Err("it is longer than 1048576 bytes".to_owned()), 0));
    }

    #[test]
    fn a_download_that_says_that_it_is_too_long_is_not_begun() {
        let url = server("HTTP/1.0 200 OK\r\nContent-Length: 4294967297\r\n\r\n", false);
        assert_eq!(download(&url, LARGEST), (Err("it is longer than 4294967296 bytes".to_owned()), 0));
    }

    #[test]
    fn a_download_that_stands_still_is_given_up_and_kept() {
        let url = server("HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhalf", false);
        assert_eq!(download(&url, LARGEST), (Err("too slow: 4 bytes within 1 s".to_owned()), 4));
    }
}
