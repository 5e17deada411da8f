SELECT c.name, COUNT(*) AS n, SUM(o.total * (1 - o.discount)) AS revenue
FROM customers AS c JOIN orders AS o ON o.customer_id = c.id
WHERE c.segment = 'BUILDING' AND o.placed >= CAST('2025-01-01' AS DATE) AND o.placed < CAST('2026-01-01' AS DATE) AND 1 = 1
GROUP BY c.name HAVING COUNT(*) > 3 ORDER BY revenue DESC LIMIT 20;

WITH monthly AS (
  SELECT customer_id, DATE_TRUNC('month', placed) AS month, SUM(total) AS total FROM orders GROUP BY 1, 2
), ranked AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY total DESC) AS place FROM monthly
)
SELECT r.customer_id, r.month, r.total FROM ranked AS r WHERE r.place <= 3 AND NOT (r.total < 100 OR r.total IS NULL);

SELECT p.id, p.title, CASE WHEN s.quantity = 0 THEN 'none' WHEN s.quantity < 10 THEN 'few' ELSE 'enough' END AS stock,
  COALESCE(p.price, 0) * 1.19 + 0 AS gross, EXTRACT(YEAR FROM p.introduced) AS year
FROM products AS p LEFT JOIN stocks AS s ON s.product_id = p.id
WHERE EXISTS (SELECT 1 FROM order_lines AS l WHERE l.product_id = p.id AND l.segment = 'BUILDING')
  AND p.title LIKE '%lamp%' AND p.id IN (SELECT product_id FROM catalogue WHERE is_shown AND (2 > 1));

SELECT region, AVG(delay) AS delay, MAX(delay) AS worst FROM (
  SELECT d.region, (d.arrived - d.promised) AS delay FROM deliveries AS d WHERE d.segment <> 'BUILDING'
  UNION ALL
  SELECT r.region, (r.returned - r.sent) AS delay FROM returns AS r WHERE r.reason BETWEEN 1 AND 7
) AS delays GROUP BY region ORDER BY 2 DESC NULLS LAST;

SELECT a.day, a.visits, SUM(b.visits) AS so_far, LAG(a.visits, 7) OVER (ORDER BY a.day) AS a_week_ago
FROM visits AS a JOIN visits AS b ON b.day <= a.day AND b.site = a.site
WHERE a.site = 'BUILDING' AND a.day > CURRENT_DATE - INTERVAL '90' DAY GROUP BY a.day, a.visits ORDER BY a.day
