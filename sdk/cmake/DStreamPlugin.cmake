# dstream_add_plugin(name SOURCES a.cc b.cc [LIBS target ...])
#
# Builds name.so, a plugin that shows the world exactly one symbol, dstream_plugin_v1. Without
# these rules a plugin that brings its own copy of a library would call the host's copy instead.
function(dstream_add_plugin name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  # Found beside this file, whichever folder the function is called from.
  set(version_script "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.version")
  add_library(${name} MODULE ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES
    PREFIX "" SUFFIX ".so"
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS "${version_script}")
  target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
  # A sanitized library leaves the sanitizer's runtime to the program, so -z defs would refuse it.
  if(NOT DSTREAM_SANITIZE)
    target_link_options(${name} PRIVATE "LINKER:-z,defs")
  endif()
  target_link_options(${name} PRIVATE
    "LINKER:--version-script=${version_script}" "LINKER:--exclude-libs,ALL")
  target_link_libraries(${name} PRIVATE DStream::sdk ${ARG_LIBS})
endfunction()
