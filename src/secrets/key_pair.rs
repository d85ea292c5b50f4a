//! The VPN server's RSA key and self-signed certificate.

use std::fmt;
use std::str::FromStr;

use rsa::pkcs1::{self, EncodeRsaPrivateKey};
use rsa::pkcs1v15::SigningKey;
use rsa::rand_core::CryptoRngCore;
use rsa::sha2::Sha256;
use rsa::{RsaPrivateKey, RsaPublicKey};
use x509_cert::Certificate;
use x509_cert::builder::{Builder, CertificateBuilder, Profile};
use x509_cert::der::asn1::UtcTime;
use x509_cert::der::{DateTime, Decode, Encode};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::{Time, Validity};

use crate::diagnostic::Problem;

/// SoftEther 4.x speaks RSA only; 2048 bits are what it makes for itself.
const KEY_BITS: usize = 2048;

/// An RSA key and the certificate that clients pin. Never shown by `Debug`.
#[derive(Clone)]
pub struct KeyPair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(…)")
    }
}

impl KeyPair {
    /// Takes a certificate (X.509, DER) and its RSA key (PKCS#1, DER) that belong together.
    pub fn new(certificate: Vec<u8>, key: Vec<u8>) -> Result<Self, Problem> {
        let parsed = Certificate::from_der(&certificate).map_err(|_| Problem::BadCertificate)?;
        let bits = parsed.tbs_certificate.subject_public_key_info.subject_public_key.raw_bytes();
        let certified = pkcs1::RsaPublicKey::from_der(bits).map_err(|_| Problem::BadCertificate)?;
        let private = pkcs1::RsaPrivateKey::from_der(&key).map_err(|_| Problem::BadPrivateKey)?;
        if private.public_key() != certified {
            return Err(Problem::KeyPairMismatch);
        }
        Ok(Self { certificate, key })
    }

    /// Makes a new one. Clients compare the whole certificate, so it has no extensions, its name says nothing, and its
    /// validity has no clock in it: from 2000 to the end of the range of X.509's UTCTime.
    pub fn generate(rng: &mut impl CryptoRngCore) -> Result<Self, Problem> {
        Self::try_generate(rng).map_err(|error| Problem::KeyGeneration { reason: error.to_string() })
    }

    fn try_generate(rng: &mut impl CryptoRngCore) -> Result<Self, Box<dyn std::error::Error>> {
        let private = RsaPrivateKey::new(rng, KEY_BITS)?;
        let public = SubjectPublicKeyInfoOwned::from_key(RsaPublicKey::from(&private))?;
        let subject = Name::from_str("CN=genhost")?;
        let signer = SigningKey::<Sha256>::new(private.clone());
        let builder = CertificateBuilder::new(
            Profile::Manual { issuer: None },
            SerialNumber::from(1u8),
            validity()?,
            subject,
            public,
            &signer,
        )?;
        let certificate = builder.build::<rsa::pkcs1v15::Signature>()?.to_der()?;
        Ok(Self { certificate, key: private.to_pkcs1_der()?.as_bytes().to_vec() })
    }

    /// The certificate, X.509 in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The key, PKCS#1 in DER.
    pub fn key(&self) -> &[u8] {
        &self.key
    }
}

/// From 2000 to the end of the range of X.509's UTCTime: no clock decides whether a host comes up.
pub(super) fn validity() -> Result<Validity, Box<dyn std::error::Error>> {
    let time = |year| -> Result<Time, Box<dyn std::error::Error>> {
        let date = DateTime::new(year, 1, 1, 0, 0, 0)?;
        Ok(Time::UtcTime(UtcTime::from_date_time(date)?))
    };
    Ok(Validity { not_before: time(2000)?, not_after: time(2049)? })
}
