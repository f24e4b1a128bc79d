// Types and random values of them, for tests that must hold for every type.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tests/standins/sqlserver/protocol/values.h"

namespace dstream::standin {

// Every TypeId, with the lengths, precisions and scales where something changes on the wire.
std::vector<SqlType> sample_types();

// A value that the type can hold exactly, one in eight of them NULL where NULL is possible.
SqlValue sample_value(const SqlType& type, std::mt19937_64* random);

// A text that differs when types or values do.
std::string describe(const SqlType& type);
std::string describe(const SqlValue& value);

}  // namespace dstream::standin
