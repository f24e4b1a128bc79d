# Compilation rules of the tree: the standard, the warnings, the build types, the sanitizers.
# Everything in the tree links dstream_options; the SDK that strangers use does not.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

# FORCE, because project() has already put empty defaults into the cache.
# Dev: compiles quickly and steps well in a debugger, yet runs the tests at a useful speed.
set(CMAKE_CXX_FLAGS_DEV "-O1 -g1 -D_GLIBCXX_ASSERTIONS" CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_DEV "-O1 -g1" CACHE STRING "" FORCE)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1" CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1" CACHE STRING "" FORCE)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
  set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()

add_library(dstream_options INTERFACE)
target_compile_options(dstream_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
# GCC bug 105651: from -O2 on, g++ 12 sees overlapping copies inside std::string where there are none.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(dstream_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()

if(DSTREAM_SANITIZE)
  add_compile_options(-fsanitize=${DSTREAM_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${DSTREAM_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  # The OpenSSF compiler options hardening guide, as far as g++ 12 and Debian 12 have them.
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -D_GLIBCXX_ASSERTIONS
                      -fstack-protector-strong -fstack-clash-protection -fcf-protection=full)
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
endif()

# dstream_unit_test(NAME room_test SOURCES a_test.cc b_test.cc LIBS target ... [SLOW])
# One GoogleTest program a room; each TEST becomes a CTest test labelled "unit", or "slow".
function(dstream_unit_test)
  cmake_parse_arguments(ARG "SLOW" "NAME" "SOURCES;LIBS" ${ARGN})
  if(NOT DSTREAM_BUILD_TESTS)
    return()
  endif()
  set(label unit)
  set(timeout_s 120)
  if(ARG_SLOW)
    set(label slow)
    set(timeout_s 600)
  endif()
  add_executable(${ARG_NAME} ${ARG_SOURCES})
  target_link_libraries(${ARG_NAME} PRIVATE dstream_options ${ARG_LIBS} GTest::gtest GTest::gmock
                                            GTest::gtest_main)
  gtest_discover_tests(${ARG_NAME} DISCOVERY_TIMEOUT 60
                       PROPERTIES LABELS ${label} TIMEOUT ${timeout_s})
endfunction()
