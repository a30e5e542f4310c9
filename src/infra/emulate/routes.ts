import { nameOfArn } from "./identity.ts";
import { invalid } from "./intrinsics.ts";
import type { Resolved } from "./resolved.ts";
import type { ApiResource } from "./stack.ts";

/** The HTTP APIs of a stack, with the function behind each route. */
export function apisOf(resources: readonly Resolved[]): ApiResource[] {
  const of = (type: string) => resources.filter((each) => each.type === `AWS::ApiGatewayV2::${type}`);
  const integrations = new Map(of("Integration").map((each) => [each.id, each.properties] as const));
  return of("Api").map((api) => ({
    id: api.id,
    name: String(api.properties.Name ?? api.id),
    routes: of("Route")
      .filter(({ properties }) => properties.ApiId === api.id)
      .map(({ id, properties: { RouteKey, Target } }) => {
        const integration = integrations.get(String(Target).replace(/^integrations\//, ""));
        if (integration === undefined) throw invalid(id, `its target ${String(Target)} is no integration`);
        const { IntegrationType, IntegrationUri, PayloadFormatVersion } = integration;
        if (IntegrationType !== "AWS_PROXY" || PayloadFormatVersion !== "2.0") {
          throw invalid(id, "cauce emulate knows routes to functions with the payload format 2.0 alone");
        }
        return { key: String(RouteKey), function: nameOfArn(String(IntegrationUri)) };
      }),
  }));
}
