# A room is a folder with one responsibility. tidegate_room makes of it
#   tidegate_<name>          a static library for whoever uses the room inside this tree
#   tidegate_<name>_objects  its object files, which the installed libraries are made of
#   <name>_test              its unit tests, which lie beside the code
#
#   tidegate_room(policy
#     SOURCES path.cpp policy.cpp
#     TESTS path_test.cpp policy_test.cpp
#     USES core config)       # the rooms it may use; tools/check-arrows holds includes against it
function(tidegate_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;TESTS;USES;LIBRARIES" ${ARGN})
  list(TRANSFORM ROOM_USES PREPEND tidegate_)

  if(ROOM_SOURCES)
    add_library(tidegate_${name}_objects OBJECT ${ROOM_SOURCES})
    target_include_directories(tidegate_${name}_objects
      PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR})
    target_link_libraries(tidegate_${name}_objects PUBLIC ${ROOM_LIBRARIES})
    add_library(tidegate_${name} STATIC $<TARGET_OBJECTS:tidegate_${name}_objects>)
    set_property(GLOBAL APPEND PROPERTY TIDEGATE_ROOMS ${name})
    set(scope PUBLIC)
  else()
    add_library(tidegate_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(tidegate_${name}
    ${scope} ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR})
  target_link_libraries(tidegate_${name} ${scope} ${ROOM_USES} ${ROOM_LIBRARIES})

  if(TIDEGATE_TESTS AND ROOM_TESTS)
    add_executable(${name}_test ${ROOM_TESTS})
    target_link_libraries(${name}_test PRIVATE tidegate_${name} GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name}_test)
  endif()
endfunction()
