//! Certificates between Consul's agents: P-256 keys derived from the root, signed without randomness (RFC 6979), so that the
//! same root gives the same bytes each time and a host that is added changes no other.

use std::net::Ipv4Addr;
use std::str::FromStr;

use p256::NistP256;
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use p256::pkcs8::AssociatedOid;
use sec1::{EcParameters, EcPrivateKey};
use sha2::{Digest, Sha256};
use x509_cert::builder::{Builder, CertificateBuilder, Profile};
use x509_cert::der::Encode;
use x509_cert::der::asn1::{Ia5String, OctetString};
use x509_cert::der::pem::{LineEnding, encode_string};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::key_pair::validity;
use crate::diagnostic::Problem;

type Failure = Box<dyn std::error::Error>;

/// Signs the certificates of one cluster.
#[derive(Clone)]
pub(super) struct Authority {
    name: Name,
    key: SigningKey,
    certificate: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(…)")
    }
}

/// Whom a certificate names.
#[derive(Debug, Clone, Copy)]
pub struct Bearer<'a> {
    /// Its account's name.
    pub name: &'a str,
    /// The name that only a Consul server has, `server.<datacenter>.consul`, and the address at which its API answers.
    pub server: Option<(&'a str, Option<Ipv4Addr>)>,
}

impl Authority {
    pub(super) fn new(key: SigningKey) -> Result<Self, Problem> {
        Self::try_new(key).map_err(failed)
    }

    fn try_new(key: SigningKey) -> Result<Self, Failure> {
        let name = Name::from_str("CN=genhost")?;
        let constraints = BasicConstraints { ca: true, path_len_constraint: Some(0) };
        let mut builder = builder(&name, &name, &key, &key)?;
        builder.add_extension(&constraints)?;
        let certificate = pem("CERTIFICATE", &builder.build::<DerSignature>()?.to_der()?)?;
        Ok(Self { name, key, certificate })
    }

    /// A certificate, this authority's own, and the certificate's key, in PEM and in this order.
    pub(super) fn identity(&self, key: &SigningKey, bearer: Bearer) -> Result<String, Problem> {
        self.try_identity(key, bearer).map_err(failed)
    }

    fn try_identity(&self, key: &SigningKey, bearer: Bearer) -> Result<String, Failure> {
        let subject = Name::from_str(&format!("CN={}", bearer.name))?;
        let mut builder = builder(&self.name, &subject, key, &self.key)?;
        if let Some((server, address)) = bearer.server {
            let address = address.map(|address| OctetString::new(address.octets())).transpose()?;
            let name = GeneralName::DnsName(Ia5String::new(server)?);
            let names = std::iter::once(name).chain(address.map(GeneralName::IpAddress)).collect();
            builder.add_extension(&SubjectAltName(names))?;
        }
        let certificate = pem("CERTIFICATE", &builder.build::<DerSignature>()?.to_der()?)?;
        Ok(certificate + &self.certificate + &private_key(key)?)
    }
}

fn failed(reason: Failure) -> Problem {
    Problem::KeyGeneration { reason: reason.to_string() }
}

fn builder<'s>(
    issuer: &Name,
    subject: &Name,
    key: &SigningKey,
    signer: &'s SigningKey,
) -> Result<CertificateBuilder<'s, SigningKey>, Failure> {
    let public = VerifyingKey::from(key);
    let spki = SubjectPublicKeyInfoOwned::from_key(public)?;
    // A serial number tells two certificates of one name apart, such as those before and after a rotation (RFC 5280 4.1.2.2).
    let mut serial = [0; 8];
    serial.copy_from_slice(&Sha256::digest(spki.to_der()?)[..8]);
    serial[0] = serial[0] & 0x7f | 0x40;
    let profile = Profile::Manual { issuer: Some(issuer.clone()) };
    Ok(CertificateBuilder::new(profile, SerialNumber::new(&serial)?, validity()?, subject.clone(), spki, signer)?)
}

/// RFC 5915, without the public key, which its readers compute.
fn private_key(key: &SigningKey) -> Result<String, Failure> {
    let bytes = key.to_bytes();
    let whole = EcPrivateKey {
        private_key: &bytes,
        parameters: Some(EcParameters::NamedCurve(NistP256::OID)),
        public_key: None,
    };
    pem("EC PRIVATE KEY", &whole.to_der()?)
}

fn pem(label: &str, der: &[u8]) -> Result<String, Failure> {
    encode_string(label, LineEnding::LF, der).map_err(|error| error.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(authority: u8, key: u8, bearer: Bearer) -> String {
        let key_of = |byte| SigningKey::from_slice(&[byte; 32]).unwrap();
        Authority::new(key_of(authority)).unwrap().identity(&key_of(key), bearer).unwrap()
    }

    const HOST: Bearer = Bearer { name: "swarm-node1", server: None };

    #[test]
    fn the_same_keys_give_the_same_bytes_and_others_give_others() {
        let one = identity(1, 2, HOST);
        assert_eq!(one, identity(1, 2, HOST));
        assert_eq!(one.matches("BEGIN CERTIFICATE").count(), 2);
        for other in [identity(3, 2, HOST), identity(1, 3, HOST), identity(1, 2, Bearer { name: "other", ..HOST })] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn only_a_server_has_names() {
        // DER of id-ce-subjectAltName, 2.5.29.17
        let has_names = |pem: &str| {
            let (_, der) = x509_cert::der::pem::decode_vec(
                pem.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap().as_bytes(),
            )
            .unwrap();
            der.windows(3).any(|bytes| bytes == [0x55, 0x1d, 0x11])
        };
        let server = Some(("server.swarm0.consul", Some(Ipv4Addr::new(192, 168, 30, 2))));
        assert!(has_names(&identity(1, 2, Bearer { server, ..HOST })));
        assert!(!has_names(&identity(1, 2, HOST)));
    }
}
