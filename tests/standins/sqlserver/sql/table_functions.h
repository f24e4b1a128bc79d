// The SQL room's own functions in FROM.
#pragma once

namespace dstream::standin::sql {

class Engine;

void add_table_functions(Engine* engine);

}  // namespace dstream::standin::sql
