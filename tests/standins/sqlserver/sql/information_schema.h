// INFORMATION_SCHEMA views.
#pragma once

#include "tests/standins/sqlserver/sql/engine.h"

namespace dstream::standin::sql {

void add_information_schema(Engine* engine);

}  // namespace dstream::standin::sql
