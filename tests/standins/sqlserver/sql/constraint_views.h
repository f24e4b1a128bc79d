// Foreign keys and checks in the catalog: sys.foreign_keys and its relatives, sp_fkeys.
#pragma once

#include "tests/standins/sqlserver/sql/engine.h"

namespace dstream::standin::sql {

// After sys.objects, whose rows these views are made of.
void add_constraint_views(Engine* engine);

}  // namespace dstream::standin::sql
