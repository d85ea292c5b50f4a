//! Which secrets a cluster has.

use crate::cluster::Cluster;
use crate::load::Catalogue;
use crate::secrets::Label;

/// The labels of every secret that a host of this cluster may hold, or that is behind one.
pub fn labels(catalogue: &Catalogue, cluster: &Cluster) -> Vec<Label> {
    let has_tokens = catalogue.stacks.get(&cluster.stack.value).is_some_and(|stack| stack.acl.is_some());
    let mut labels: Vec<Label> = Label::SINGLE.into_iter().collect();
    labels.retain(|label| has_tokens || *label != Label::ConsulManagement);
    for host in &cluster.hosts {
        let name = &host.name.value;
        labels.extend([Label::Host(name.clone()), Label::HostManagement(name.clone())]);
        labels.extend(has_tokens.then(|| Label::ConsulHost(name.clone())));
        labels.push(Label::ConsulHostCertificate(name.clone()));
    }
    for name in catalogue.roles.keys() {
        labels.extend([Label::Role(name.clone()), Label::RoleManagement(name.clone())]);
        labels.extend(has_tokens.then(|| Label::ConsulRole(name.clone())));
        labels.push(Label::ConsulRoleCertificate(name.clone()));
    }
    labels.extend(cluster.vpn.users.iter().map(|user| Label::User(user.clone())));
    for (name, component) in &catalogue.components {
        labels.extend(component.secrets.iter().map(|secret| Label::Component(name.clone(), secret.value.clone())));
    }
    labels
}
