// Documents of a typical page in a Relay app. They are compiled but not run, and need no import of `graphql`.

graphql`
  query productsQuery {
    ...products_list
  }
`;

graphql`
  fragment products_list on Query
  @refetchable(queryName: "productsPaginationQuery")
  @argumentDefinitions(
    count: { type: "Int", defaultValue: 20 }
    cursor: { type: "String" }
    filter: { type: "ProductFilter" }
    orderBy: { type: "[ProductOrder!]" }
  ) {
    products(first: $count, after: $cursor, filter: $filter, orderBy: $orderBy)
      @connection(key: "products_list_products") {
      totalCount
      edges {
        node {
          id
          ...products_item
        }
      }
    }
  }
`;

graphql`
  fragment products_item on Product {
    name
    price
    amount
    version
  }
`;

graphql`
  mutation productsCreateMutation($input: CreateProductInput!, $connections: [ID!]!) {
    createProduct(input: $input) @appendNode(connections: $connections, edgeTypeName: "ProductEdge") {
      id
      ...products_item
    }
  }
`;

graphql`
  mutation productsDeleteMutation($id: ID!, $expectedVersion: String) {
    deleteProduct(id: $id, expectedVersion: $expectedVersion) {
      id @deleteRecord
    }
  }
`;

graphql`
  subscription productsSubscription($after: String) {
    productChanged(after: $after) {
      kind
      id
      cursor
      product {
        ...products_item
      }
    }
  }
`;
