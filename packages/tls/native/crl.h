// Certificate revocation lists: read, and asked about, at a price that a storm of handshakes can pay.
#pragma once

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <cstddef>
#include <cstdint>

namespace culvert {

// Whether `ca`, the one of this name, signed the list. It must outlive the list: what is found good here is not verified again.
bool SignedBy(X509_CRL* crl, X509* ca);

// Takes OpenSSL's own check of a list where that would verify again what SignedBy has. To be set by X509_STORE_set_check_crl.
int CheckCrl(X509_STORE_CTX* store, X509_CRL* crl);

// Whether one of the lists names the certificate (DER). -1 for what is no certificate.
int IsListed(const STACK_OF(X509_CRL) * crls, const uint8_t* der, size_t size);

}  // namespace culvert
