#pragma once

#include "napi.h"

namespace culvert {

// Adds openvpnAeadCreate, openvpnAeadSeal, openvpnAeadOpen and openvpnAeadClose to the addon.
void ExportOpenvpnAead(napi_env env, napi_value exports);

}  // namespace culvert
