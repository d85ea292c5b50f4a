{# values: #}
PATH=$PATH:/opt/genhost/consul
