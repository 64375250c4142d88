# find_package(tidegate) gives tidegate::tidegate, and where Boost is, tidegate::beast.
# find_package(tidegate COMPONENTS beast) fails where it is not.
include(CMakeFindDependencyMacro)
find_dependency(fmt 9)
find_dependency(OpenSSL 3 COMPONENTS Crypto SSL)
include(${CMAKE_CURRENT_LIST_DIR}/tidegateTargets.cmake)

find_package(Threads QUIET)
find_package(Boost 1.81 QUIET)
if(Threads_FOUND AND Boost_FOUND)
  include(${CMAKE_CURRENT_LIST_DIR}/tidegateBeastTargets.cmake)
  set(tidegate_beast_FOUND TRUE)
elseif(tidegate_FIND_REQUIRED_beast)
  set(tidegate_FOUND FALSE)
  set(tidegate_NOT_FOUND_MESSAGE "tidegate::beast needs the headers of Boost 1.81 or later.")
endif()
