// What certificates and CRLs say, as text and numbers.
#pragma once

#include <openssl/x509.h>

#include <initializer_list>
#include <string>

#include "napi.h"

namespace culvert {

// RFC 2253 text, control characters escaped.
std::string NameText(const X509_NAME* name);

// The last commonName, in UTF-8; empty where there is none.
std::string CommonName(const X509* certificate);

// Unix milliseconds; 0 for a time that is missing or cannot be read.
double UnixMillis(const ASN1_TIME* time);

// { der, fingerprint256, subject, issuer, commonName, serial, notBefore, notAfter }
napi_value DescribeCertificate(napi_env env, const X509* certificate);

// Whether a dNSName among the subject's alternative names is `name`, letter case aside. No wildcards.
bool HasDnsName(const X509* certificate, const std::string& name);

// Whether the extended key usage names one of `purposes` (object identifiers in dotted form), or is not there at all.
// One that is broken, or there twice, names none.
bool AllowsAny(const X509* certificate, std::initializer_list<const char*> purposes);

// The text of the oldest error in OpenSSL's queue, which is then emptied.
std::string TakeError();

}  // namespace culvert
