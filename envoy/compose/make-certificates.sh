#!/bin/sh
# A certificate authority and one server certificate, made once, for trying out. Clients that verify use ca.pem.
set -eu
cd /certificates
[ -e server.pem ] && exit 0

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj '/CN=Sluice example CA' \
  -keyout ca-key.pem -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/' -keyout server-key.pem -out server.csr
printf 'subjectAltName=DNS:*.orders.localhost,DNS:*.reports.localhost\nextendedKeyUsage=serverAuth\n' >extensions
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca-key.pem -days 825 -set_serial 1 -extfile extensions -out server.new
rm server.csr extensions

# The brain runs as this user of its image (node) and is the only one that reads the key.
chown 1000:1000 server-key.pem
chmod 0400 server-key.pem ca-key.pem
mv server.new server.pem
