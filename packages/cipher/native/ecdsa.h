#pragma once

#include "napi.h"

namespace culvert {

void ExportEcdsa(napi_env env, napi_value exports);

}  // namespace culvert
