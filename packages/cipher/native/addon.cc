// The addon holds no state of its own: keys live in externals, so any number of threads may load it.
#include "aes-gcm-calls.h"
#include "bound-batch.h"
#include "ecdsa.h"
#include "esp.h"
#include "mppe.h"
#include "napi.h"
#include "openvpn-aead.h"
#include "tls-crypt.h"

NAPI_MODULE_INIT() {
  culvert::Export(env, exports, "bindBatch", culvert::BindBatchCallback);
  culvert::ExportEcdsa(env, exports);
  culvert::ExportEsp(env, exports);
  culvert::ExportMppe(env, exports);
  culvert::ExportAesGcm(env, exports);
  culvert::ExportOpenvpnAead(env, exports);
  culvert::ExportTlsCrypt(env, exports);
  return exports;
}
