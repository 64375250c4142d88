#include "adapters/http/service.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tidegate::server {
namespace {

TEST(Service, TakesThePathOfATargetAsItStands) {
  EXPECT_EQ(raw_path("/a/b?c#d"), "/a/b");
  EXPECT_EQ(raw_path("/a#b?c"), "/a");
  EXPECT_EQ(raw_path("http://host/a?b"), "/a");
  EXPECT_EQ(raw_path("http://host"), "/");
  EXPECT_EQ(raw_path("*"), "*");
}

TEST(Service, LeadsToItsRoutesOnlyByTheirOwnSpelling) {
  const Service service(true, nullptr);
  EXPECT_EQ(service.route(Port::all, "/api/v1/hello?x"), Route::hello);
  EXPECT_EQ(service.route(Port::all, "/api/v1/search/x/y"), Route::search);
  for (const char* const target : {"/api/v1/hello/", "/api//v1/hello", "/API/v1/hello",
                                   "/api%2Fv1/hello", "/api/v1/search/", "/", "", "/health/"}) {
    EXPECT_EQ(service.route(Port::all, target), Route::none) << target;
  }
}

TEST(Service, HasNoDemoUnlessAskedFor) {
  const Service service(false, nullptr);
  EXPECT_EQ(service.route(Port::all, "/api/v1/hello"), Route::none);
  EXPECT_EQ(service.route(Port::all, "/auth"), Route::auth);
  EXPECT_FALSE(service.guarded(Port::all, Route::none));
}

TEST(Service, KeepsOperatorsApart) {
  const Service service(true, nullptr);
  for (const char* const target : {"/health", "/metrics"}) {
    EXPECT_NE(service.route(Port::all, target), Route::none);
    EXPECT_EQ(service.route(Port::service, target), Route::none);
    EXPECT_NE(service.route(Port::ops, target), Route::none);
  }
  EXPECT_EQ(service.route(Port::ops, "/auth"), Route::none);
  EXPECT_EQ(service.route(Port::ops, "/api/v1/hello"), Route::none);
  EXPECT_FALSE(service.guarded(Port::ops, Route::metrics));
}

TEST(Service, HasNothingForOperatorsWithoutAToken) {
  const Service service(false, nullptr);
  for (const char* const target :
       {"/admin/rate-limit", "/admin/rate-limit/", "/admin/rate-limit/page.js",
        "/admin/rate-limit/status", "/admin/rate-limit/reset"}) {
    EXPECT_EQ(service.route(Port::all, target), Route::none) << target;
    EXPECT_EQ(service.route(Port::ops, target), Route::none) << target;
  }
}

TEST(Service, GuardsEverythingOfTheDemo) {
  const Service service(true, nullptr);
  for (const Route route : {Route::none, Route::hello, Route::health, Route::metrics}) {
    EXPECT_TRUE(service.guarded(Port::all, route));
  }
  EXPECT_FALSE(service.guarded(Port::all, Route::auth)) << "it asks for another request";
  EXPECT_FALSE(service.guarded(Port::all, Route::admin_status)) << "operators are never locked out";
}

TEST(Service, SaysWhichMethodsThereAre) {
  const Service service(true, nullptr);
  std::string scratch;
  EXPECT_EQ(service.answer(Route::orders, "GET", "/api/v1/orders", scratch).allow, "POST");
  const Answer answer = service.answer(Route::hello, "DELETE", "/api/v1/hello", scratch);
  EXPECT_EQ(answer.status, 405U);
  EXPECT_EQ(answer.allow, "GET, HEAD");
  EXPECT_EQ(service.answer(Route::hello, "HEAD", "/api/v1/hello", scratch).status, 200U);
}

TEST(Service, RepeatsASearchWithoutBelievingIt) {
  const Service service(true, nullptr);
  std::string scratch;
  const Answer answer = service.answer(Route::search, "GET", "/api/v1/search/\"\n\xff?x", scratch);
  EXPECT_EQ(answer.body, "{\"query\":\"\\\"\\u000a\\ufffd\",\"results\":[]}");
}

}  // namespace
}  // namespace tidegate::server
