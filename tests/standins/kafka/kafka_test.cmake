# dstream_kafka_test(NAME name SOURCES a_test.cc LIBS target ...)
# A GoogleTest program that starts real brokers: one CTest test, labelled "kafka" and "slow", and one
# at a time, for a broker wants a core. The jars are fetched before the first of them.
function(dstream_kafka_test)
  cmake_parse_arguments(ARG "" "NAME" "SOURCES;LIBS" ${ARGN})
  if(NOT DSTREAM_BUILD_TESTS)
    return()
  endif()
  add_executable(${ARG_NAME} ${ARG_SOURCES})
  target_link_libraries(${ARG_NAME} PRIVATE dstream_options dstream_kafka_broker ${ARG_LIBS}
                                            GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME})
  set_tests_properties(${ARG_NAME} PROPERTIES
    LABELS "kafka;slow" TIMEOUT 300 FIXTURES_REQUIRED kafka_jars RESOURCE_LOCK kafka)
endfunction()
