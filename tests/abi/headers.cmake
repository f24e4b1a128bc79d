# Compiles each SDK header on its own, as its users' compilers would, without a warning.
#
# usage: cmake -DCOMPILER=g++ -DINCLUDE=sdk/include -P headers.cmake
find_program(PROGRAM "${COMPILER}")
if(NOT PROGRAM)
  message(STATUS "Skipped: ${COMPILER} is not installed.")
  return()
endif()

set(warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)

function(compile language standard header)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E echo "#include \"${header}\""
    COMMAND "${PROGRAM}" -x ${language} -std=${standard} ${warnings} ${ARGN} "-I${INCLUDE}"
            -fsyntax-only -
    RESULTS_VARIABLE results ERROR_VARIABLE errors)
  list(GET results 1 result)
  if(result EQUAL 0)
    message(STATUS "${COMPILER} -std=${standard} ${header}")
  else()
    message(SEND_ERROR "${COMPILER} -std=${standard} ${header}:\n${errors}")
  endif()
endfunction()

file(GLOB extensions RELATIVE "${INCLUDE}" "${INCLUDE}/dstream/ext/*.h"
     "${INCLUDE}/dstream/ext/draft/*.h")

if(COMPILER MATCHES "\\+\\+")
  foreach(standard c++11 c++14 c++17 c++20)
    foreach(header dstream/abi.h ${extensions})
      compile(c++ ${standard} ${header} -Wold-style-cast)
    endforeach()
  endforeach()
  file(GLOB headers RELATIVE "${INCLUDE}" "${INCLUDE}/dstream/*.hpp"
       "${INCLUDE}/dstream/ext/draft/*.hpp")
  foreach(header ${headers})
    compile(c++ c++20 ${header})
  endforeach()
else()
  foreach(standard c99 c11 c17)
    foreach(header dstream/abi.h ${extensions})
      compile(c ${standard} ${header} -Wstrict-prototypes)
    endforeach()
  endforeach()
endif()
